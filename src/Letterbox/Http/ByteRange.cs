// Range requests: one range of bytes. Several ranges in one request are answered with the whole
// representation, as RFC 9110 14.2 allows.
//
//   Range      = "bytes=" ( first "-" [ last ] / "-" suffix-length )        RFC 9110 14.1.2

using System.Buffers.Text;

namespace Letterbox.Http;

internal enum RangeKind
{
    Whole, // no Range field, or one that is not supported
    Part, // 206
    Unsatisfiable, // 416: beyond the end
}

/// <summary>A part of a representation; Start and Length count for <see cref="RangeKind.Part"/>.</summary>
internal readonly record struct ByteRange(RangeKind Kind, int Start, int Length)
{
    /// <summary>Reads the Range field of a GET for a representation of this many bytes.</summary>
    public static ByteRange Select(Request request, int length)
    {
        if (request.Method != Method.Get || !request.TryGetSingle("range"u8, out ReadOnlySpan<byte> value))
            return default;
        if (value.Length <= 6 || !Grammar.Same(value[..6], "bytes="u8)) return default;
        ReadOnlySpan<byte> spec = Grammar.Trim(value[6..]);
        int dash = spec.IndexOf((byte)'-');
        if (dash < 0) return default;
        long first = 0, last = long.MaxValue;
        bool suffix = dash == 0;
        if (!suffix && !TryNumber(spec[..dash], out first)) return default;
        if ((suffix || dash + 1 < spec.Length) && !TryNumber(spec[(dash + 1)..], out last)) return default;
        if (suffix) (first, last) = (last == 0 ? length : Math.Max(0, length - last), long.MaxValue);
        if (last < first) return default;
        if (first >= length) return new ByteRange(RangeKind.Unsatisfiable, 0, 0);
        return new ByteRange(RangeKind.Part, (int)first, (int)(Math.Min(last, length - 1) - first + 1));
    }

    // 1*DIGIT; a number that overflows is larger than any representation.
    private static bool TryNumber(ReadOnlySpan<byte> digits, out long number)
    {
        number = 0;
        if (digits.IsEmpty || digits.ContainsAnyExceptInRange((byte)'0', (byte)'9')) return false;
        if (!Utf8Parser.TryParse(digits, out number, out _)) number = long.MaxValue;
        return true;
    }
}
