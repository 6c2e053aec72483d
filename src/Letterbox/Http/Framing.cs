// The field lines that decide where the content of a request ends and whether the connection persists: Host,
// Content-Length, Transfer-Encoding, Connection, Expect.

namespace Letterbox.Http;

/// <summary>Collects these field lines, and decides at the end of the head.</summary>
internal struct Framing
{
    private bool _host, _contentLength, _close, _keepAlive, _expect, _coding, _range;
    private int _types;
    private long _length;

    public bool Chunked { get; private set; }

    // If not chunked.
    public readonly int ContentLength => (int)_length;

    // The client waits for a 100 before it sends its content.
    public bool ContinueExpected { get; private set; }

    public Rejection Add(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        switch (name.Length)
        {
            case 4 when Grammar.Same(name, "host"u8):
                return AddHost(value);
            case 6 when Grammar.Same(name, "expect"u8):
                ContinueExpected = !_expect && Grammar.Same(value, "100-continue"u8);
                _expect = true;
                break;
            case 10 when Grammar.Same(name, "connection"u8):
                AddConnection(value);
                break;
            case 12 when Grammar.Same(name, "content-type"u8):
                _types++;
                break;
            case 13 when Grammar.Same(name, "content-range"u8):
                _range = true;
                break;
            case 14 when Grammar.Same(name, "content-length"u8):
                return AddContentLength(value);
            case 16 when Grammar.Same(name, "content-encoding"u8):
                AddContentEncoding(value);
                break;
            case 17 when Grammar.Same(name, "transfer-encoding"u8):
                return AddTransferEncoding(value);
            default:
                break;
        }

        return Rejection.None;
    }

    /// <summary>At the end of the head: whether it is valid (RFC 9112 6.3).</summary>
    public Rejection Decide(Request request, int contentMax)
    {
        bool http11 = request.MinorVersion >= 1;
        if (http11 && !_host) return Rejection.Host;
        // Typical of request smuggling, and an HTTP/1.0 client cannot know the coding (6.1).
        if (Chunked && (_contentLength || !http11)) return Rejection.TransferEncoding;
        if (_expect && http11 && !ContinueExpected) return Rejection.Expectation;
        if (_length > contentMax) return Rejection.ContentTooLarge;
        if (_types > 1 && HasOtherType(request)) return Rejection.ContentType;
        bool hasContent = Chunked || _length > 0;
        if (hasContent && _coding) return Rejection.ContentCoding;
        if (hasContent && _range) return Rejection.ContentRange;
        // HTTP/1.0 has no 100, and without content there is nothing to wait for (RFC 9110 10.1.1).
        ContinueExpected &= http11 && hasContent;
        request.KeepAlive = !_close && (http11 || _keepAlive);
        return Rejection.None;
    }

    private Rejection AddHost(ReadOnlySpan<byte> value)
    {
        if (_host || !Grammar.IsHost(value)) return Rejection.Host;
        _host = true;
        return Rejection.None;
    }

    private void AddConnection(ReadOnlySpan<byte> value)
    {
        while (Grammar.NextElement(ref value, out ReadOnlySpan<byte> option))
        {
            _close |= Grammar.Same(option, "close"u8);
            _keepAlive |= Grammar.Same(option, "keep-alive"u8);
        }
    }

    // Two parsers might choose different ones (RFC 9110 8.3).
    private static bool HasOtherType(Request request)
    {
        request.TryGetField("content-type"u8, out ReadOnlySpan<byte> first);
        for (int at = -1; request.NextField("content-type"u8, ref at);)
        {
            if (!request.FieldValue(at).SequenceEqual(first)) return true;
        }

        return false;
    }

    // Content-Encoding = #content-coding        RFC 9110 8.4
    private void AddContentEncoding(ReadOnlySpan<byte> value)
    {
        while (Grammar.NextElement(ref value, out ReadOnlySpan<byte> coding))
            _coding |= !coding.IsEmpty && !Grammar.Same(coding, "identity"u8);
    }

    // Content-Length = 1*DIGIT        RFC 9110 8.6; a list of equal numbers may be rejected (RFC 9112 6.3)
    private Rejection AddContentLength(ReadOnlySpan<byte> value)
    {
        if (_contentLength || value.IsEmpty || value.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
            return Rejection.ContentLength;
        _contentLength = true;
        foreach (byte digit in value)
        {
            // Above every limit, below overflow: further digits change nothing.
            if (_length < int.MaxValue) _length = (_length * 10) + (digit - '0');
        }

        return Rejection.None;
    }

    // Transfer-Encoding = #transfer-coding        RFC 9112 6.1
    // One line, one coding: a list that could be valid is one of codings that are not supported here, before
    // a last chunked. Empty elements, which RFC 9110 5.6.1 tolerates, are rejected: their only use is to
    // confuse parsers.
    private Rejection AddTransferEncoding(ReadOnlySpan<byte> value)
    {
        if (Chunked) return Rejection.TransferEncoding;
        Chunked = true;
        if (Grammar.Same(value, "chunked"u8)) return Rejection.None;
        int last = value.LastIndexOf((byte)',') + 1;
        bool chunkedLast = last > 1 && Grammar.Same(Grammar.Trim(value[last..]), "chunked"u8);
        bool chunkedFirst = value.Length > 7 && Grammar.Same(value[..7], "chunked"u8);
        return chunkedLast && !chunkedFirst ? Rejection.TransferCoding : Rejection.TransferEncoding;
    }
}
