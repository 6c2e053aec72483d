// The chunked transfer coding, decoded in place: data bytes move down over the framing, so that the content
// ends up in one piece behind the head, without a second buffer.
//
//   chunked-body = *chunk last-chunk trailer-section CRLF                 RFC 9112 7.1
//   chunk        = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
//   chunk-size   = 1*HEXDIG
//   last-chunk   = 1*"0" [ chunk-ext ] CRLF
//   chunk-ext    = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
//
// Extensions and trailers are validated and discarded: nothing here gives them a meaning.

namespace Letterbox.Http;

/// <summary>Decodes one chunked content at a time. Not thread-safe.</summary>
internal sealed class ChunkedDecoder(HttpLimits limits)
{
    private enum Phase { SizeLine, Data, DataEnd, Trailers }

    private Phase _phase;
    private int _contentStart;
    private int _at; // first byte not yet decoded
    private int _scanned; // there is no LF between _at and this
    private int _remaining; // of the current chunk
    private int _extras; // bytes of extensions and trailers so far

    public Rejection Rejection { get; private set; }
    public int DecodedEnd { get; private set; }

    // Where the next request begins.
    public int RawEnd => _at;

    public void Start(int contentStart)
    {
        _contentStart = DecodedEnd = _at = _scanned = contentStart;
        (_phase, _remaining, _extras, Rejection) = (Phase.SizeLine, 0, 0, Rejection.None);
    }

    /// <summary>Decodes what has arrived; the rest moves down: <paramref name="length"/> shrinks.</summary>
    public ReadStatus Read(Span<byte> bytes, ref int length)
    {
        ReadStatus status = Decode(bytes[..length]);
        if (status == ReadStatus.NeedMore && DecodedEnd < _at)
        {
            bytes[_at..length].CopyTo(bytes[DecodedEnd..]);
            length -= _at - DecodedEnd;
            _scanned -= _at - DecodedEnd;
            _at = DecodedEnd;
        }

        return status;
    }

    private ReadStatus Decode(Span<byte> bytes)
    {
        while (true)
        {
            switch (_phase)
            {
                case Phase.Data:
                    MoveData(bytes);
                    if (_remaining > 0) return ReadStatus.NeedMore;
                    _phase = Phase.DataEnd;
                    break;
                case Phase.DataEnd:
                    if (bytes.Length - _at < 2)
                        return bytes.Length > _at && bytes[_at] != '\r' ? Reject() : ReadStatus.NeedMore;
                    if (bytes[_at] != '\r' || bytes[_at + 1] != '\n') return Reject();
                    _at = _scanned = _at + 2;
                    _phase = Phase.SizeLine;
                    break;
                case Phase.SizeLine:
                    if (NextLine(bytes, out var size) is not ReadStatus.Complete and var wait) return wait;
                    if (!ReadSizeLine(size)) return ReadStatus.Rejected;
                    break;
                default:
                    if (NextLine(bytes, out var line) is not ReadStatus.Complete and var more) return more;
                    if (line.IsEmpty) return ReadStatus.Complete;
                    if (!IsTrailer(line)) return Reject();
                    break;
            }
        }
    }

    private void MoveData(Span<byte> bytes)
    {
        int count = Math.Min(_remaining, bytes.Length - _at);
        bytes.Slice(_at, count).CopyTo(bytes[DecodedEnd..]);
        DecodedEnd += count;
        _at = _scanned = _at + count;
        _remaining -= count;
    }

    private ReadStatus NextLine(ReadOnlySpan<byte> bytes, out ReadOnlySpan<byte> line)
    {
        line = default;
        int lineFeed = bytes[_scanned..].IndexOf((byte)'\n');
        if (lineFeed < 0)
        {
            _scanned = bytes.Length;
            return bytes.Length - _at - 1 > limits.ChunkLineMax ? Reject() : ReadStatus.NeedMore;
        }

        int end = _scanned + lineFeed - 1;
        if (end < _at || bytes[end] != '\r' || end - _at > limits.ChunkLineMax) return Reject();
        line = bytes[_at..end];
        _at = _scanned = end + 2;
        return ReadStatus.Complete;
    }

    private bool ReadSizeLine(ReadOnlySpan<byte> line)
    {
        int digits = 0;
        long size = 0;
        for (; digits < line.Length && Uri.IsHexDigit((char)line[digits]); digits++)
        {
            // Above every limit, below overflow: further digits change nothing.
            if (size <= int.MaxValue) size = (size << 4) + Uri.FromHex((char)line[digits]);
        }

        if (digits == 0 || !IsExtensions(line[digits..]) || !CountExtras(line.Length - digits))
        {
            Reject();
            return false;
        }

        if (size > limits.ContentMax - (DecodedEnd - _contentStart))
        {
            Rejection = Rejection.ContentTooLarge;
            return false;
        }

        _remaining = (int)size;
        _phase = size == 0 ? Phase.Trailers : Phase.Data;
        return true;
    }

    private static bool IsExtensions(ReadOnlySpan<byte> rest)
    {
        while (!rest.IsEmpty)
        {
            rest = rest.TrimStart(" \t"u8);
            if (rest.IsEmpty || rest[0] != ';') return false;
            rest = rest[1..].TrimStart(" \t"u8);
            int name = Grammar.TokenLength(rest);
            if (name == 0) return false;
            rest = rest[name..];
            ReadOnlySpan<byte> equals = rest.TrimStart(" \t"u8);
            if (equals.IsEmpty || equals[0] != '=') continue;
            rest = equals[1..].TrimStart(" \t"u8);
            int value = rest.StartsWith("\""u8) ? QuotedLength(rest) : Grammar.TokenLength(rest);
            if (value == 0) return false;
            rest = rest[value..];
        }

        return true;
    }

    // quoted-string = DQUOTE *( qdtext / "\" any ) DQUOTE        RFC 9110 5.6.4; 0 if it does not end.
    private static int QuotedLength(ReadOnlySpan<byte> quoted)
    {
        for (int i = 1; i < quoted.Length; i++)
        {
            if (quoted[i] == '"') return i + 1;
            if (quoted[i] == '\\') i++;
            if (i < quoted.Length && !Grammar.IsFieldValue(quoted.Slice(i, 1))) return 0;
        }

        return 0;
    }

    // trailer-section = *( field-line CRLF )        RFC 9112 7.1.2
    private bool IsTrailer(ReadOnlySpan<byte> line)
    {
        int colon = line.IndexOf((byte)':');
        return colon > 0 && Grammar.IsToken(line[..colon]) && Grammar.IsFieldValue(line[(colon + 1)..])
            && CountExtras(line.Length);
    }

    private bool CountExtras(int count) => (_extras += count) <= limits.ChunkExtrasMax;

    private ReadStatus Reject()
    {
        Rejection = Rejection.Chunk;
        return ReadStatus.Rejected;
    }
}
