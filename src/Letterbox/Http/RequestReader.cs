// Reads one request from bytes as they arrive. No I/O: the connection supplies the bytes, the reader returns
// Complete, NeedMore or Rejected, and the result depends on the bytes alone, never on how they were split.
//
//   HTTP-message = start-line CRLF *( field-line CRLF ) CRLF [ message-body ]        RFC 9112 2.1
//
// Strict wherever the RFC allows it, because two servers in a row that disagree on where a request ends can
// be exploited (request smuggling): CRLF only, no folding, no white space before colons, one framing or none.

namespace Letterbox.Http;

internal enum ReadStatus
{
    NeedMore,
    Complete, // with its content
    Rejected,
}

/// <summary>Reads one request, and the next one after <see cref="Reset"/>. Not thread-safe.</summary>
internal sealed class RequestReader(HttpLimits limits)
{
    private enum Phase { StartLine, FieldLines, Content, Chunks, Complete }

    private Framing _framing;
    private readonly ChunkedDecoder _chunks = new(limits);
    private Phase _phase;
    private bool _emptyLineSkipped;
    private int _lineStart; // first byte of the current line
    private int _scanned; // there is no LF from _lineStart to here
    private int _headEnd;

    // As far as it has been read.
    public Request Request { get; } = new();
    public Rejection Rejection { get; private set; }

    // After Complete: bytes of the buffer that the request took.
    public int Consumed { get; private set; }
    public bool HeadComplete => _phase >= Phase.Content;
    public int HeadLength => _headEnd;

    // The head is complete and asks for a 100 before the content (RFC 9110 10.1.1).
    public bool ContinueExpected => HeadComplete && _framing.ContinueExpected;

    // Bytes that the request takes, 0 if not known; for sizing the buffer.
    public int BytesExpected => _phase == Phase.Content ? _headEnd + _framing.ContentLength : 0;

    public void Reset()
    {
        (_phase, _emptyLineSkipped, _lineStart, _scanned, _headEnd) = (Phase.StartLine, false, 0, 0, 0);
        (Rejection, Consumed) = (Rejection.None, 0);
        Request.Clear();
        _framing = default;
    }

    // Reads buffer[start..end], which begins with the first byte of the request and ends with the last byte
    // that has arrived. Chunks are decoded in place: the bytes move down over the framing, and end with
    // them.
    public ReadStatus Read(byte[] buffer, int start, ref int end)
    {
        Request.Bind(buffer, start);
        Span<byte> bytes = buffer.AsSpan(start, end - start);
        if (_phase < Phase.Content && ReadHead(bytes) is not ReadStatus.Complete and var head) return head;
        if (_phase == Phase.Content)
        {
            if (bytes.Length - _headEnd < _framing.ContentLength) return ReadStatus.NeedMore;
            return Complete(_framing.ContentLength, _headEnd + _framing.ContentLength);
        }

        int length = bytes.Length;
        ReadStatus status = _chunks.Read(bytes, ref length);
        end = start + length;
        if (status == ReadStatus.Rejected) return Reject(_chunks.Rejection);
        return status == ReadStatus.NeedMore ? status
            : Complete(_chunks.DecodedEnd - _headEnd, _chunks.RawEnd);
    }

    private ReadStatus Complete(int contentLength, int consumed)
    {
        Request.SetContent(_headEnd, contentLength);
        (_phase, Consumed) = (Phase.Complete, consumed);
        return ReadStatus.Complete;
    }

    private ReadStatus ReadHead(ReadOnlySpan<byte> bytes)
    {
        while (true)
        {
            int lineFeed = bytes[_scanned..].IndexOf((byte)'\n');
            if (lineFeed < 0)
            {
                _scanned = bytes.Length;
                FindHead(bytes[_lineStart..]);
                // One byte more than the longest line may be a CR.
                return CheckLength(bytes, bytes.Length - _lineStart - 1) ?? ReadStatus.NeedMore;
            }

            int lineEnd = _scanned + lineFeed - 1; // where the CR must be
            FindHead(bytes[_lineStart..(lineEnd + 2)]);
            if (lineEnd < _lineStart || bytes[lineEnd] != '\r')
                return CheckLength(bytes, lineEnd + 1 - _lineStart) ?? Reject(Rejection.BareLineFeed);
            if (CheckLength(bytes, lineEnd - _lineStart) is { } tooLong) return tooLong;
            ReadOnlySpan<byte> line = bytes[_lineStart..lineEnd];
            int start = _lineStart;
            _lineStart = _scanned = lineEnd + 2;
            if (_phase == Phase.StartLine)
            {
                // One empty line before a request is skipped (RFC 9112 2.2), a second one is rejected.
                if (line.IsEmpty && !_emptyLineSkipped) _emptyLineSkipped = true;
                else if (RequestLine.Parse(line, start, Request) is not Rejection.None and var failure)
                    return Reject(failure);
                else _phase = Phase.FieldLines;
            }
            else if (line.IsEmpty)
            {
                return EndHead();
            }
            else if (ReadFieldLine(line, start) is not Rejection.None and var failure)
            {
                return Reject(failure);
            }
        }
    }

    private void FindHead(ReadOnlySpan<byte> line)
    {
        if (_phase == Phase.StartLine && RequestLine.IsHead(line)) Request.Method = Method.Head;
    }

    private ReadStatus? CheckLength(ReadOnlySpan<byte> bytes, int lineLength)
    {
        if (_phase == Phase.StartLine)
        {
            if (lineLength <= limits.RequestLineMax) return null;
            return Reject(RequestLine.IsMethodTooLong(bytes.Slice(_lineStart, limits.RequestLineMax))
                ? Rejection.MethodTooLong
                : Rejection.RequestLineTooLong);
        }

        bool tooLarge = lineLength > limits.FieldLineMax || _lineStart + lineLength > limits.HeadMax;
        return tooLarge ? Reject(Rejection.FieldsTooLarge) : null;
    }

    // field-line = field-name ":" OWS field-value OWS        RFC 9112 5
    private Rejection ReadFieldLine(ReadOnlySpan<byte> line, int start)
    {
        if (line[0] is (byte)' ' or (byte)'\t') return Rejection.ObsoleteFold;
        int colon = line.IndexOf((byte)':');
        // White space between name and colon is not part of a token: rejected, as 5.1 requires.
        if (colon < 0 || !Grammar.IsToken(line[..colon])) return Rejection.FieldName;
        ReadOnlySpan<byte> afterColon = line[(colon + 1)..];
        if (!Grammar.IsFieldValue(afterColon)) return Rejection.FieldValue;
        ReadOnlySpan<byte> value = Grammar.Trim(afterColon);
        if (Request.FieldCount == limits.FieldsMax) return Rejection.FieldsTooLarge;
        int leading = afterColon.Length - afterColon.TrimStart(" \t"u8).Length;
        Request.AddField(start, colon, start + colon + 1 + (value.IsEmpty ? 0 : leading), value.Length);
        return _framing.Add(line[..colon], value);
    }

    private ReadStatus EndHead()
    {
        _headEnd = _lineStart;
        if (_framing.Decide(Request, limits.ContentMax) is not Rejection.None and var failure)
            return Reject(failure);
        _phase = _framing.Chunked ? Phase.Chunks : Phase.Content;
        if (_framing.Chunked) _chunks.Start(_headEnd);
        return ReadStatus.Complete;
    }

    private ReadStatus Reject(Rejection reason)
    {
        Rejection = reason;
        return ReadStatus.Rejected;
    }
}
