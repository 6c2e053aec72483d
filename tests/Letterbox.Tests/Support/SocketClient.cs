// A client of the socket server as other programs write it: bytes out, lines in.

using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Letterbox.Tests.Support;

/// <summary>One TCP connection. Every wait is bounded, so that a test fails rather than hangs.</summary>
public sealed class SocketClient : IDisposable
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(30);
    private readonly Socket _socket;
    private readonly NetworkStream _stream;
    private readonly StreamReader _reader;

    /// <summary>Takes over a connected socket.</summary>
    public SocketClient(Socket socket)
    {
        _socket = socket;
        _stream = new NetworkStream(socket);
        _reader = new StreamReader(_stream, Encoding.ASCII);
    }

    /// <summary>Connects.</summary>
    public static async Task<SocketClient> ConnectAsync(IPEndPoint server)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(server);
        return new SocketClient(socket);
    }

    /// <summary>Sends text, see <see cref="Cuts.Bytes"/>.</summary>
    public Task SendAsync(string text) => SendAsync(Cuts.Bytes(text));

    /// <summary>Sends bytes.</summary>
    public async Task SendAsync(byte[] bytes) =>
        await _stream.WriteAsync(bytes).AsTask().WaitAsync(s_timeout);

    /// <summary>Half-closes: nothing more will be sent.</summary>
    public void EndSending() => _socket.Shutdown(SocketShutdown.Send);

    /// <summary>Vanishes with a reset.</summary>
    public void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Close();
    }

    /// <summary>The next line; <c>null</c>: the other side has closed, politely or not.</summary>
    public async Task<string?> ReadLineAsync()
    {
        try
        {
            return await _reader.ReadLineAsync().WaitAsync(s_timeout);
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Every line until the server closes.</summary>
    public async Task<List<string>> ReadToEndAsync()
    {
        var lines = new List<string>();
        while (await ReadLineAsync() is { } line) lines.Add(line);
        return lines;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _reader.Dispose();
        _stream.Dispose();
        _socket.Dispose();
    }
}
