// A connection through TLS, after the handshake of MutualTls.cs.
//
// A cancelled read of SslStream may lose bytes, and sessions cancel reads regularly: a pause has a meaning in
// the protocol. So a read that has started is never cancelled. It reads into a separate buffer, and the next
// call waits for the same read.

using System.Net.Security;
using System.Net.Sockets;

namespace Letterbox.Hosting;

internal sealed class TlsTransport(Socket socket, SslStream tls) : Transport(socket)
{
    private const int BufferSize = 4096;

    private readonly byte[] _buffer = new byte[BufferSize];
    private ReadOnlyMemory<byte> _unread;
    private Task<int>? _reading;

    public override async ValueTask<int> ReceiveAsync(
        Memory<byte> buffer, CancellationToken deadline = default)
    {
        if (_unread.IsEmpty)
        {
            _reading ??= tls.ReadAsync(_buffer, CancellationToken.None).AsTask();
            int received = await UnwrapErrorsAsync(_reading.WaitAsync(deadline));
            _reading = null;
            _unread = _buffer.AsMemory(0, received);
        }

        int count = Math.Min(buffer.Length, _unread.Length);
        _unread[..count].CopyTo(buffer);
        _unread = _unread[count..];
        return count;
    }

    public override ValueTask<int> SendAsync(
        ReadOnlyMemory<byte> bytes, CancellationToken deadline = default)
    {
        return new ValueTask<int>(UnwrapErrorsAsync(WriteAsync()));

        async Task<int> WriteAsync()
        {
            await tls.WriteAsync(bytes, deadline);
            return bytes.Length;
        }
    }

    public override async ValueTask EndSendingAsync(CancellationToken deadline)
    {
        await UnwrapErrorsAsync(ShutDownAsync());
        Socket.Shutdown(SocketShutdown.Send);

        async Task<int> ShutDownAsync()
        {
            await tls.ShutdownAsync().WaitAsync(deadline);
            return 0;
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        tls.Dispose();
    }

    // Streams wrap socket errors, and TLS has its own for a truncated or forged record.
    private static async Task<int> UnwrapErrorsAsync(Task<int> operation)
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
