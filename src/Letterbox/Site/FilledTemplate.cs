// A template with its values, written piece by piece. Values are escaped for HTML, in text and in quoted
// attributes alike, and only as they are written: a quotation mark becomes six bytes, and a client that does
// not read would make us hold them all.

using System.Buffers;

namespace Letterbox.Site;

/// <summary>For one writing.</summary>
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

    /// <summary>Bytes of the whole page.</summary>
    public int Length { get; }

    /// <summary>Bytes of memory that its values take.</summary>
    public int BytesHeld { get; }

    /// <summary>Writes the next bytes, and tells how many: 0 at the end, else as many as fit.</summary>
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
                int room = buffer.Length - length;
                if (plain == 0 && next.Length > room) return length;
                if (next.Length > room) next = next[..room];
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
