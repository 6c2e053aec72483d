// A request as it was read: method, target, field lines and content, as views of the connection's buffer.

using System.Net;
using Letterbox.Configuration;
using Letterbox.Hosting;

namespace Letterbox.Http;

/// <summary>The methods with a meaning on the web; the rest are <see cref="Unknown"/>.</summary>
public enum Method
{
    /// <summary>A token that is no method we know: 501.</summary>
    Unknown,
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
}

/// <summary>
/// One request. It belongs to its connection and is used again for the next one: everything it shows is valid
/// until the handler has returned its task, and not after. Not thread-safe.
/// </summary>
public sealed class Request
{
    // Where things stand, from the first byte of the request: the buffer may move while the request arrives.
    private readonly record struct FieldLine(
        ushort NameStart, ushort NameLength, ushort ValueStart, ushort ValueLength);

    private FieldLine[] _lines = new FieldLine[16];
    private int _count;
    private byte[] _buffer = [];
    private int _start;
    private int _targetStart, _pathStart, _pathLength, _targetLength;
    private int _contentStart, _contentLength;
    private IPAddress _peer = IPAddress.Loopback;
    private TrustedProxies _proxies = TrustedProxies.None;

    /// <summary>The method.</summary>
    public Method Method { get; internal set; }

    /// <summary>Minor version of HTTP/1: 0, or 1 for everything later.</summary>
    public int MinorVersion { get; internal set; }

    /// <summary>The client can use the connection again after this request (RFC 9112 9.3).</summary>
    public bool KeepAlive { get; internal set; }

    /// <summary>The request-target as it was sent.</summary>
    public ReadOnlySpan<byte> Target => View(_targetStart, _targetLength);

    /// <summary>
    /// The path of the target, still percent-encoded: <c>/</c> where absolute-form has none (RFC 9110 4.2.3),
    /// <c>*</c> in asterisk-form, empty in authority-form.
    /// </summary>
    public ReadOnlySpan<byte> Path =>
        _pathLength == 0 && Method != Method.Connect ? "/"u8 : View(_pathStart, _pathLength);

    /// <summary>What follows the question mark, still encoded; empty if there is none.</summary>
    public ReadOnlySpan<byte> Query
    {
        get
        {
            int start = _pathStart + _pathLength + 1, end = _targetStart + _targetLength;
            return start < end ? View(start, end - start) : default;
        }
    }

    /// <summary>The content, decoded from chunks; whole, never cut short.</summary>
    public ReadOnlySpan<byte> Content => View(_contentStart, _contentLength);

    /// <summary>Whom the request counts for; found out each time it is asked.</summary>
    internal Client Client => ForwardedClient.Of(this, _peer, _proxies);

    /// <summary>Number of field lines.</summary>
    public int FieldCount => _count;

    /// <summary>The value of the first field line of this name, in any case.</summary>
    public bool TryGetField(ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        int at = -1;
        bool found = NextField(name, ref at);
        value = found ? FieldValue(at) : default;
        return found;
    }

    /// <summary>Steps <paramref name="at"/> (first -1) to the next field line of this name.</summary>
    public bool NextField(ReadOnlySpan<byte> name, ref int at)
    {
        while (++at < _count)
        {
            if (_lines[at].NameLength == name.Length && Grammar.Same(FieldName(at), name)) return true;
        }

        return false;
    }

    /// <summary>Name of a field line by its number.</summary>
    public ReadOnlySpan<byte> FieldName(int at) => View(_lines[at].NameStart, _lines[at].NameLength);

    /// <summary>Value of a field line by its number.</summary>
    public ReadOnlySpan<byte> FieldValue(int at) => View(_lines[at].ValueStart, _lines[at].ValueLength);

    internal void Clear()
    {
        (_count, Method, MinorVersion, KeepAlive) = (0, Method.Unknown, 1, false);
        (_targetStart, _targetLength, _pathStart, _pathLength, _contentStart, _contentLength) =
            (0, 0, 0, 0, 0, 0);
        Bind([], 0);
    }

    internal void Bind(byte[] buffer, int start) => (_buffer, _start) = (buffer, start);

    internal void ComesFrom(IPAddress peer, TrustedProxies proxies) => (_peer, _proxies) = (peer, proxies);

    internal void SetTarget(int start, int length, int pathStart, int pathLength) =>
        (_targetStart, _targetLength, _pathStart, _pathLength) = (start, length, pathStart, pathLength);

    internal void SetContent(int start, int length) => (_contentStart, _contentLength) = (start, length);

    internal void AddField(int nameStart, int nameLength, int valueStart, int valueLength)
    {
        if (_count == _lines.Length) Array.Resize(ref _lines, 2 * _count);
        _lines[_count++] =
            new FieldLine((ushort)nameStart, (ushort)nameLength, (ushort)valueStart, (ushort)valueLength);
    }

    private ReadOnlySpan<byte> View(int start, int length) => _buffer.AsSpan(_start + start, length);
}
