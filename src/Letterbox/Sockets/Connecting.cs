// Connecting without an exception. A store that is not there yet is an everyday thing at every start, and the
// first exception that a process throws costs it tens of milliseconds.

using System.Net;
using System.Net.Sockets;

namespace Letterbox.Sockets;

internal static class Connecting
{
    /// <summary>
    /// Connects; returns how that went: <see cref="SocketError.OperationAborted"/> when
    /// <paramref name="deadline"/> came first.
    /// </summary>
    /// <remarks>
    /// A name that DNS does not know is an answer too, <see cref="SocketError.HostNotFound"/>.
    /// </remarks>
    public static async ValueTask<SocketError> TryConnectAsync(
        this Socket socket, EndPoint to, CancellationToken deadline)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var attempt = new SocketAsyncEventArgs { RemoteEndPoint = to };
        attempt.Completed += (_, _) => done.SetResult();
        if (!socket.ConnectAsync(attempt)) return attempt.SocketError;
        await using CancellationTokenRegistration watch = deadline.UnsafeRegister(
            static attempt => Socket.CancelConnectAsync((SocketAsyncEventArgs)attempt!), attempt);
        await done.Task;
        return attempt.SocketError;
    }
}
