// One connection of the link, from connect to break. Expected ends of a socket are values here.

using System.Net.Sockets;

namespace Letterbox.Sockets;

/// <summary>A connected socket, for one writing and one reading loop.</summary>
internal sealed class LinkConnection : IDisposable
{
    private readonly Socket _socket;

    private LinkConnection(Socket socket) => _socket = socket;

    /// <summary>Connects, or says why not.</summary>
    /// <param name="store">Whereto.</param>
    /// <param name="deadline">Ends the attempt.</param>
    public static async Task<(LinkConnection? Connection, string? Fault)> ConnectAsync(
        Address store, CancellationToken deadline)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        var connection = new LinkConnection(socket);
        SocketError error = await socket.TryConnectAsync(store.ToConnect(), deadline);
        // The promise that every form on this stream ends with LF: see MessageDecoder.
        if (error == SocketError.Success && await connection.SendAsync("\n"u8.ToArray()))
            return (connection, null);
        connection.Dispose();
        return (null, error is SocketError.Success or SocketError.OperationAborted
            ? $"the store at {store} cannot be reached in time"
            : $"the store at {store} cannot be reached ({error})");
    }

    /// <summary>Sends everything; <c>false</c>: the connection is gone.</summary>
    public async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty) bytes = bytes[await _socket.SendAsync(bytes)..];
            return true;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>Receives some bytes; 0: the connection is gone.</summary>
    public async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        try
        {
            return await _socket.ReceiveAsync(buffer);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return 0;
        }
    }

    /// <summary>Closes the socket; a loop that waits for it is told that the connection is gone.</summary>
    public void Dispose() => _socket.Dispose();
}
