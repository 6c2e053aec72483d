// One connection to a store, from connect to break. Expected ends of a connection are values here.

using System.Net.Sockets;

namespace Letterbox.Sockets;

/// <summary>A connection that stands, for one writing and one reading loop.</summary>
internal sealed class LinkConnection : IDisposable
{
    private readonly Wire _wire;

    private LinkConnection(Wire wire) => _wire = wire;

    /// <summary>Connects, or says why not.</summary>
    /// <param name="store">Whereto.</param>
    /// <param name="secret">What both sides prove to know; <c>null</c>: nothing, and no TLS.</param>
    /// <param name="deadline">Ends the attempt.</param>
    public static async Task<(LinkConnection? Connection, string? Fault)> ConnectAsync(
        Address store, SharedSecret? secret, CancellationToken deadline)
    {
        Socket? socket = null;
        try
        {
            socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(store.ToConnect(), deadline);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            socket?.Dispose();
            string how = e is SocketException failure ? $"({failure.SocketErrorCode})" : "in time";
            return (null, $"the store at {store} cannot be reached {how}");
        }

        (Wire? wire, string? doubt) = secret is null
            ? (new PlainWire(socket), null)
            : await Handshake.ConnectAsync(socket, secret, deadline);
        if (wire is null) return (null, $"the store at {store} cannot be used: {doubt}");
        var connection = new LinkConnection(wire);
        // The promise that every form on this stream ends with LF: see MessageDecoder.
        if (await connection.SendAsync("\n"u8.ToArray())) return (connection, null);
        connection.Dispose();
        return (null, $"the store at {store} closed the connection");
    }

    /// <summary>Sends everything; <c>false</c>: the connection is gone.</summary>
    public async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty) bytes = bytes[await _wire.SendAsync(bytes)..];
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
            return await _wire.ReceiveAsync(buffer);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return 0;
        }
    }

    /// <summary>Ends it: a loop that waits for it is told that it is gone. From any thread.</summary>
    public void Close() => _wire.Close();

    /// <summary>Gives everything back; the loops have ended.</summary>
    public void Dispose() => _wire.Dispose();
}
