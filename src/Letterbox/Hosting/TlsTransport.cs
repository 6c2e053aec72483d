// A connection through TLS, after the handshake of MutualTls.cs.
//
// A read of SslStream that was cancelled may have taken bytes with it, and sessions cancel reads as a matter
// of course: a pause means something to them. So a read that was begun is never cancelled. It goes into a
// buffer of its own, and the next caller waits for the same read.

using System.Net.Security;
using System.Net.Sockets;

namespace Letterbox.Hosting;

/// <summary>Bytes through TLS.</summary>
/// <param name="socket">The connection.</param>
/// <param name="tls">Over that socket, past its handshake.</param>
internal sealed class TlsTransport(Socket socket, SslStream tls) : Transport(socket)
{
    private const int BufferSize = 4096;

    private readonly byte[] _buffer = new byte[BufferSize];
    private ReadOnlyMemory<byte> _unread;
    private Task<int>? _reading;

    /// <inheritdoc/>
    public override async ValueTask<int> ReceiveAsync(
        Memory<byte> buffer, CancellationToken deadline = default)
    {
        if (_unread.IsEmpty)
        {
            _reading ??= tls.ReadAsync(_buffer, CancellationToken.None).AsTask();
            int received = await AsOnASocketAsync(_reading.WaitAsync(deadline));
            _reading = null;
            _unread = _buffer.AsMemory(0, received);
        }

        int count = Math.Min(buffer.Length, _unread.Length);
        _unread[..count].CopyTo(buffer);
        _unread = _unread[count..];
        return count;
    }

    /// <inheritdoc/>
    public override ValueTask<int> SendAsync(
        ReadOnlyMemory<byte> bytes, CancellationToken deadline = default)
    {
        return new ValueTask<int>(AsOnASocketAsync(WriteAsync()));

        async Task<int> WriteAsync()
        {
            await tls.WriteAsync(bytes, deadline);
            return bytes.Length;
        }
    }

    /// <inheritdoc/>
    public override async ValueTask EndSendingAsync(CancellationToken deadline)
    {
        await AsOnASocketAsync(ShutDownAsync());
        Socket.Shutdown(SocketShutdown.Send);

        async Task<int> ShutDownAsync()
        {
            await tls.ShutdownAsync().WaitAsync(deadline);
            return 0;
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        base.Dispose();
        tls.Dispose();
    }

    // Streams wrap the socket's exceptions, and TLS has its own for a truncated or forged record.
    private static async Task<int> AsOnASocketAsync(Task<int> operation)
    {
        try
        {
            return await operation;
        }
        catch (IOException e)
        {
            throw e.InnerException as SocketException
                ?? new SocketException((int)SocketError.ConnectionReset);
        }
    }
}
