// The bytes of one connection, whether they go over it as they are or through TLS: what SocketSession and
// LinkConnection need of a socket, and no more. Plain, it is the socket and nothing else.

using System.Net.Sockets;

namespace Letterbox.Hosting;

/// <summary>
/// One connection, for one reading and one writing loop. What goes wrong on the way is a <see
/// cref="SocketException"/>, or an <see cref="ObjectDisposedException"/> after <see cref="Close"/>.
/// </summary>
internal abstract class Transport(Socket socket) : IDisposable
{
    /// <summary>The socket below.</summary>
    protected Socket Socket => socket;

    /// <summary>
    /// Receives some bytes; 0: the other side has ended, or <paramref name="buffer"/> is empty and there is
    /// something to receive. Ended by its deadline it loses nothing: the next call goes on.
    /// </summary>
    public abstract ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken deadline = default);

    /// <summary>
    /// Sends some of the bytes, one at least; returns how many. Ended by its deadline it leaves a connection
    /// that is of no more use.
    /// </summary>
    public abstract ValueTask<int> SendAsync(
        ReadOnlyMemory<byte> bytes, CancellationToken deadline = default);

    /// <summary>Tells the other side that nothing more will be sent.</summary>
    public abstract ValueTask EndSendingAsync(CancellationToken deadline);

    /// <summary>Ends both loops, from any thread.</summary>
    public void Close() => socket.Dispose();

    /// <summary>Gives everything back; the loops have ended.</summary>
    public virtual void Dispose() => Close();
}

/// <summary>Bytes as they are.</summary>
internal sealed class PlainTransport(Socket socket) : Transport(socket)
{
    /// <inheritdoc/>
    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken deadline = default) =>
        Socket.ReceiveAsync(buffer, deadline);

    /// <inheritdoc/>
    public override ValueTask<int> SendAsync(
        ReadOnlyMemory<byte> bytes, CancellationToken deadline = default) =>
        Socket.SendAsync(bytes, deadline);

    /// <inheritdoc/>
    public override ValueTask EndSendingAsync(CancellationToken deadline)
    {
        Socket.Shutdown(SocketShutdown.Send);
        return ValueTask.CompletedTask;
    }
}
