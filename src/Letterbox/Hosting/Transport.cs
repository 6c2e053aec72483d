// The bytes of one connection, plain or through TLS: only what SocketSession and LinkConnection need of a
// socket.

using System.Net.Sockets;

namespace Letterbox.Hosting;

// One connection, for one reading and one writing loop. Network errors are a SocketException, or an
// ObjectDisposedException after Close.
internal abstract class Transport(Socket socket) : IDisposable
{
    protected Socket Socket => socket;

    // Receives some bytes; 0: the peer has ended, or the buffer is empty and there is something to receive.
    // Nothing is lost at the deadline: the next call continues.
    public abstract ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken deadline = default);

    // Sends some of the bytes, at least one; returns how many. After the deadline the connection is unusable.
    public abstract ValueTask<int> SendAsync(
        ReadOnlyMemory<byte> bytes, CancellationToken deadline = default);

    public abstract ValueTask EndSendingAsync(CancellationToken deadline);

    // Ends both loops, from any thread.
    public void Close() => socket.Dispose();

    // Called when the loops have ended.
    public virtual void Dispose() => Close();
}

internal sealed class PlainTransport(Socket socket) : Transport(socket)
{
    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken deadline = default) =>
        Socket.ReceiveAsync(buffer, deadline);

    public override ValueTask<int> SendAsync(
        ReadOnlyMemory<byte> bytes, CancellationToken deadline = default) =>
        Socket.SendAsync(bytes, deadline);

    public override ValueTask EndSendingAsync(CancellationToken deadline)
    {
        Socket.Shutdown(SocketShutdown.Send);
        return ValueTask.CompletedTask;
    }
}
