// A template with its values, written in parts. Values are escaped for HTML, valid in text and in quoted
// attributes, and only while they are written: a quotation mark becomes six bytes, which would be held for
// every client that does not read.

using System.Buffers;

namespace Letterbox.Site;

/// <summary>Can be written once.</summary>
internal sealed class FilledTemplate
{
    private static readonly SearchValues<byte> s_special = SearchValues.Create("&<>\"'"u8);

    private readonly (byte[] Bytes, bool IsValue)[] _pieces;
    private int _piece, _at;

    public FilledTemplate((byte[] Bytes, bool IsValue)[] pieces)
    {
        _pieces = pieces;
        foreach ((byte[] bytes, bool isValue) in pieces)
        {
            Length += bytes.Length;
            if (!isValue) continue;
            BytesHeld += bytes.Length;
            ReadOnlySpan<byte> rest = bytes;
            while (rest.IndexOfAny(s_special) is >= 0 and var special)
            {
                Length += Entity(rest[special]).Length - 1;
                rest = rest[(special + 1)..];
            }
        }
    }

    // Bytes of the whole page, escaped.
    public int Length { get; }

    // Memory that the values take.
    public int BytesHeld { get; }

    /// <summary>Writes as many bytes as fit and returns their number, 0 at the end.</summary>
    public int Write(Span<byte> buffer)
    {
        int length = 0;
        for (; _piece < _pieces.Length; _piece++, _at = 0)
        {
            (byte[] bytes, bool isValue) = _pieces[_piece];
            while (_at < bytes.Length)
            {
                ReadOnlySpan<byte> rest = bytes.AsSpan(_at);
                int plain = isValue ? rest.IndexOfAny(s_special) : -1;
                ReadOnlySpan<byte> next = plain == 0 ? Entity(rest[0]) : plain < 0 ? rest : rest[..plain];
                int space = buffer.Length - length;
                if (plain == 0 && next.Length > space) return length;
                if (next.Length > space) next = next[..space];
                next.CopyTo(buffer[length..]);
                length += next.Length;
                _at += plain == 0 ? 1 : next.Length;
                if (length == buffer.Length) return length;
            }
        }

        return length;
    }

    private static ReadOnlySpan<byte> Entity(byte special) => special switch
    {
        (byte)'&' => "&amp;"u8,
        (byte)'<' => "&lt;"u8,
        (byte)'>' => "&gt;"u8,
        (byte)'"' => "&quot;"u8,
        _ => "&#39;"u8,
    };
}
