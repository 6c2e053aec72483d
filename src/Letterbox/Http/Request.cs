// A request as it was received: method, target, field lines and content, as views of the input buffer.

using System.Net;
using Letterbox.Hosting;

namespace Letterbox.Http;

internal enum Method
{
    Unknown, // 501
    Get, Head, Post, Put, Delete, Connect, Options, Trace, Patch,
}

// One request. Its connection reuses it for the next one: everything it returns is valid until the handler
// has returned its task, and not after. Not thread-safe.
internal sealed class Request
{
    // Offsets from the first byte of the request: the buffer may move while the request arrives.
    private readonly record struct FieldLine(
        ushort NameStart, ushort NameLength, ushort ValueStart, ushort ValueLength);

    private FieldLine[] _lines = new FieldLine[16];
    private int _count;
    private byte[] _buffer = [];
    private int _start;
    private int _targetStart, _pathStart, _pathLength, _targetLength;
    private int _contentStart, _contentLength;
    private IPAddress _peer = IPAddress.Loopback;
    private Predicate<IPAddress> _isTrustedProxy = static _ => false;

    public Method Method { get; set; }

    // Of HTTP/1: 0, or 1 for everything later.
    public int MinorVersion { get; set; }

    // The connection may persist after this request (RFC 9112 9.3).
    public bool KeepAlive { get; set; }
    public ReadOnlySpan<byte> Target => View(_targetStart, _targetLength);

    // Still percent-encoded: "/" where absolute-form has none (RFC 9110 4.2.3), "*" in asterisk-form, empty
    // in authority-form.
    public ReadOnlySpan<byte> Path =>
        _pathLength == 0 && Method != Method.Connect ? "/"u8 : View(_pathStart, _pathLength);

    // Still encoded; empty if there is none.
    public ReadOnlySpan<byte> Query
    {
        get
        {
            int start = _pathStart + _pathLength + 1, end = _targetStart + _targetLength;
            return start < end ? View(start, end - start) : default;
        }
    }

    // Decoded from chunks; complete, never cut short.
    public ReadOnlySpan<byte> Content => View(_contentStart, _contentLength);

    // The client for bounds per client; evaluated at each call.
    public Client Client => ForwardedClient.Of(this, _peer, _isTrustedProxy);
    public int FieldCount => _count;

    // The first field line of this name, in any case.
    public bool TryGetField(ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        int at = -1;
        bool found = NextField(name, ref at);
        value = found ? FieldValue(at) : default;
        return found;
    }

    // The only field line of this name: two of a field that is not a list are invalid (RFC 9110 5.3).
    public bool TryGetSingle(ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        int at = -1;
        bool single = NextField(name, ref at);
        value = single ? FieldValue(at) : default;
        return single && !NextField(name, ref at);
    }

    /// <summary>Advances <paramref name="at"/> (initially -1) to the next field of this name.</summary>
    public bool NextField(ReadOnlySpan<byte> name, ref int at)
    {
        while (++at < _count)
        {
            if (_lines[at].NameLength == name.Length && Grammar.Same(FieldName(at), name)) return true;
        }

        return false;
    }

    public ReadOnlySpan<byte> FieldName(int at) => View(_lines[at].NameStart, _lines[at].NameLength);

    public ReadOnlySpan<byte> FieldValue(int at) => View(_lines[at].ValueStart, _lines[at].ValueLength);

    public void Clear()
    {
        (_count, Method, MinorVersion, KeepAlive) = (0, Method.Unknown, 1, false);
        (_targetStart, _targetLength, _pathStart, _pathLength, _contentStart, _contentLength) =
            (0, 0, 0, 0, 0, 0);
        Bind([], 0);
    }

    public void Bind(byte[] buffer, int start) => (_buffer, _start) = (buffer, start);

    public void SetPeer(IPAddress peer, Predicate<IPAddress> isTrustedProxy) =>
        (_peer, _isTrustedProxy) = (peer, isTrustedProxy);

    public void SetTarget(int start, int length, int pathStart, int pathLength) =>
        (_targetStart, _targetLength, _pathStart, _pathLength) = (start, length, pathStart, pathLength);

    public void SetContent(int start, int length) => (_contentStart, _contentLength) = (start, length);

    public void AddField(int nameStart, int nameLength, int valueStart, int valueLength)
    {
        if (_count == _lines.Length) Array.Resize(ref _lines, 2 * _count);
        _lines[_count++] =
            new FieldLine((ushort)nameStart, (ushort)nameLength, (ushort)valueStart, (ushort)valueLength);
    }

    private ReadOnlySpan<byte> View(int start, int length) => _buffer.AsSpan(_start + start, length);
}
