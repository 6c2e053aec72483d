// Checks from outside whether a process serves at all: any answer shows that it does.

using System.Net.Sockets;
using Letterbox.Configuration;

namespace Letterbox.Hosting;

internal static class Liveness
{
    public static ReadOnlyMemory<byte> HttpRequest { get; } =
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"u8.ToArray();

    public static ReadOnlyMemory<byte> StoreRequest { get; } = "?\n"u8.ToArray();

    // Whether any answer comes before the deadline; null: this process could not send the request.
    public static async Task<bool?> AskAsync(
        Address at, ReadOnlyMemory<byte> request, MutualTls? tls, CancellationToken deadline)
    {
        try
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(at.ToConnect(), deadline);
            if (tls is not null)
            {
                // Even a failed handshake shows that the other side is alive.
                (Transport? transport, _) = await tls.ConnectAsync(socket, at.Host, deadline);
                transport?.Dispose();
                return !deadline.IsCancellationRequested;
            }

            await socket.SendAsync(request, deadline);
            return await socket.ReceiveAsync(new byte[1], deadline) > 0;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        catch (SocketException e)
        {
            // Other errors (out of descriptors, memory or ports) say nothing about the other side.
            bool isTheirs = e.SocketErrorCode is SocketError.ConnectionRefused or SocketError.ConnectionReset
                or SocketError.TimedOut;
            return isTheirs ? false : null;
        }
    }
}
