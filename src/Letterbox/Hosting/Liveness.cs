// Whether one of our processes serves at all, asked from outside: any answer shows that it does.

using System.Net.Sockets;
using Letterbox.Configuration;

namespace Letterbox.Hosting;

/// <summary>The questions, and how they are put.</summary>
internal static class Liveness
{
    /// <summary>To what speaks HTTP.</summary>
    public static ReadOnlyMemory<byte> HttpQuestion { get; } =
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"u8.ToArray();

    /// <summary>To the socket server.</summary>
    public static ReadOnlyMemory<byte> StoreQuestion { get; } = "?\n"u8.ToArray();

    /// <summary>
    /// Whether anything is answered before <paramref name="deadline"/>; null: this process could not ask.
    /// </summary>
    public static async Task<bool?> AskAsync(
        Address at, ReadOnlyMemory<byte> question, MutualTls? tls, CancellationToken deadline)
    {
        try
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(at.ToConnect(), deadline);
            if (tls is not null)
            {
                // However the handshake ends: the other side took part.
                (Transport? transport, _) = await tls.ConnectAsync(socket, at.Host, deadline);
                transport?.Dispose();
                return !deadline.IsCancellationRequested;
            }

            await socket.SendAsync(question, deadline);
            return await socket.ReceiveAsync(new byte[1], deadline) > 0;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        catch (SocketException e)
        {
            // Out of descriptors, memory or ports: that is not about the other side.
            bool theirs = e.SocketErrorCode is SocketError.ConnectionRefused or SocketError.ConnectionReset
                or SocketError.TimedOut;
            return theirs ? false : null;
        }
    }
}
