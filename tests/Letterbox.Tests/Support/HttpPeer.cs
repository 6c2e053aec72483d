// A client that sends exactly the bytes it is given, cut as it is told, and reads answers one by one. It
// forgives nothing: an answer that breaks the framing of RFC 9112 fails the test that asked for it.

using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Letterbox.Tests.Support;

/// <summary>One answer: status, field lines and content.</summary>
public sealed record HttpAnswer(int Status, IReadOnlyList<(string Name, string Value)> Fields, byte[] Content)
{
    /// <summary>The content as Latin-1, a character a byte.</summary>
    public string Text => Encoding.Latin1.GetString(Content);

    /// <summary>Every value of the field, in order.</summary>
    public IEnumerable<string> Values(string name) =>
        Fields.Where(line => line.Name.Equals(
            name, StringComparison.OrdinalIgnoreCase)).Select(static line => line.Value);

    /// <summary>The server says that it closes the connection.</summary>
    public bool SaysClose => Values("Connection").Contains("close", StringComparer.Ordinal);
}

/// <summary>One connection to loopback. Everything on it must be done within half a minute.</summary>
public sealed class HttpPeer : IDisposable
{
    private readonly Socket _socket =
        new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromSeconds(30));
    private byte[] _bytes = new byte[8192];
    private int _start, _end;

    /// <summary>Connects.</summary>
    /// <param name="port">Port on loopback.</param>
    /// <param name="receiveBuffer">Size of the socket's receive buffer in bytes, for a client that reads
    /// little.</param>
    public static async Task<HttpPeer> ConnectAsync(int port, int? receiveBuffer = null)
    {
        var peer = new HttpPeer();
        if (receiveBuffer is { } size) peer._socket.ReceiveBufferSize = size;
        await peer._socket.ConnectAsync(IPAddress.Loopback, port, peer._deadline.Token);
        return peer;
    }

    /// <summary>
    /// Sends the bytes in pieces of this size. False: the server has closed before it heard them all.
    /// </summary>
    public async Task<bool> SendAsync(ReadOnlyMemory<byte> bytes, int piece = int.MaxValue)
    {
        try
        {
            while (!bytes.IsEmpty)
            {
                int sent = await _socket.SendAsync(bytes[..Math.Min(piece, bytes.Length)], _deadline.Token);
                bytes = bytes[sent..];
            }

            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Sends text, a byte a character.</summary>
    public Task<bool> SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    /// <summary>Says that nothing more will come.</summary>
    public void HalfClose() => _socket.Shutdown(SocketShutdown.Send);

    /// <summary>Says so, unless the server has closed already.</summary>
    public void HalfCloseIfOpen()
    {
        try
        {
            HalfClose();
        }
        catch (SocketException)
        {
            // The connection is gone.
        }
    }

    /// <summary>Reads whatever comes until the server closes.</summary>
    public async Task DrainAsync()
    {
        while (await FillAsync()) _start = _end;
    }

    /// <summary>Closes by a reset.</summary>
    public void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Dispose();
    }

    /// <summary>The next answer, 1xx included; <c>null</c> where the stream ends instead.</summary>
    /// <param name="toHead">It answers a HEAD: whatever it says of its content, none follows.</param>
    public async Task<HttpAnswer?> ReadAsync(bool toHead = false)
    {
        int end;
        while ((end = _bytes.AsSpan(_start, _end - _start).IndexOf("\r\n\r\n"u8)) < 0)
        {
            if (await FillAsync()) continue;
            Assert.True(_start == _end, $"the stream ends in the head of an answer: {Rest()}");
            return null;
        }

        string head = Encoding.Latin1.GetString(_bytes, _start, end);
        _start += end + 4;
        string[] lines = head.Split("\r\n");
        Assert.Matches("^HTTP/1\\.1 [1-5][0-9][0-9] [ -~]*$", lines[0]);
        int status = int.Parse(lines[0].AsSpan(9, 3));
        (string Name, string Value)[] fields = [.. lines.Skip(1).Select(ReadField)];
        return new HttpAnswer(status, fields, await ReadContentAsync(status, fields, toHead));
    }

    /// <summary>The next final answer; 1xx are skipped.</summary>
    public async Task<HttpAnswer?> ReadFinalAsync(bool toHead = false)
    {
        HttpAnswer? answer;
        do answer = await ReadAsync(toHead);
        while (answer is { Status: < 200 });
        return answer;
    }

    /// <summary>
    /// Waits for the end of the stream; fails if anything else comes. Tells whether it was orderly, not a
    /// reset.
    /// </summary>
    public async Task<bool> EndsAsync()
    {
        try
        {
            bool more = _end > _start || await ReceiveAsync();
            Assert.False(more, $"more came where the end should be: {Rest()}");
            return true;
        }
        catch (SocketException e)
            when (e.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _socket.Dispose();
        _deadline.Dispose();
    }

    // field-line = field-name ":" OWS field-value OWS
    private static (string Name, string Value) ReadField(string line)
    {
        Assert.Matches("^[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\\t -~\\x80-\\xFF]*$", line);
        int colon = line.IndexOf(':', StringComparison.Ordinal);
        return (line[..colon], line[(colon + 1)..].Trim());
    }

    private async Task<byte[]> ReadContentAsync(int status, (string Name, string Value)[] fields, bool toHead)
    {
        string[] lengths =
            [.. fields.Where(static f => f.Name == "Content-Length").Select(static f => f.Value)];
        if (status is < 200 or 204 or 304)
        {
            Assert.True(lengths.Length == 0 || status == 304, $"{status} with Content-Length");
            return [];
        }

        int length = int.Parse(Assert.Single(lengths));
        if (toHead) return [];
        while (_end - _start < length)
            Assert.True(await FillAsync(), "the stream ends in the content of an answer");
        byte[] content = _bytes[_start..(_start + length)];
        _start += length;
        return content;
    }

    private async Task<bool> FillAsync()
    {
        try
        {
            return await ReceiveAsync();
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private async Task<bool> ReceiveAsync()
    {
        if (_start == _end) _start = _end = 0;
        if (_end == _bytes.Length) Array.Resize(ref _bytes, 2 * _bytes.Length);
        int count = await _socket.ReceiveAsync(_bytes.AsMemory(_end), _deadline.Token);
        _end += count;
        return count > 0;
    }

    private string Rest() => Encoding.Latin1.GetString(_bytes, _start, _end - _start);
}
