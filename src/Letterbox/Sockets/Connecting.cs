// Connecting without an exception. A store that is not there yet is an everyday thing at every start, and the
// first exception that a process throws costs it tens of milliseconds.

using System.Net;
using System.Net.Sockets;

namespace Letterbox.Sockets;

internal static class Connecting
{
    /// <summary>
    /// Connects; or tells why not: <see cref="SocketError.OperationAborted"/> when
    /// <paramref name="deadline"/> came first.
    /// </summary>
    /// <remarks>
    /// A name that DNS does not know is an answer too, <see cref="SocketError.HostNotFound"/>, and so is a
    /// process that is out of descriptors.
    /// </remarks>
    public static async Task<(Socket? Socket, SocketError Error)> TryConnectAsync(
        EndPoint to, CancellationToken deadline)
    {
        Socket socket;
        try
        {
            socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        }
        catch (SocketException e)
        {
            return (null, e.SocketErrorCode);
        }

        SocketError error = await TryConnectAsync(socket, to, deadline);
        if (error == SocketError.Success) return (socket, error);
        socket.Dispose();
        return (null, error);
    }

    private static async Task<SocketError> TryConnectAsync(
        Socket socket, EndPoint to, CancellationToken deadline)
    {
        var done = new TaskCompletionSource<SocketError>(TaskCreationOptions.RunContinuationsAsynchronously);
        var attempt = new SocketAsyncEventArgs { RemoteEndPoint = to };
        attempt.Completed += (_, ended) =>
        {
            done.TrySetResult(ended.SocketError);
            ended.Dispose();
        };
        if (!socket.ConnectAsync(attempt))
        {
            SocketError error = attempt.SocketError;
            attempt.Dispose();
            return error;
        }

        // Closing the socket ends the attempt; a name that is being looked up is looked up to its end,
        // unheard.
        await using CancellationTokenRegistration watch = deadline.UnsafeRegister(
            static done => ((TaskCompletionSource<SocketError>)done!)
                .TrySetResult(SocketError.OperationAborted),
            done);
        return await done.Task;
    }
}
