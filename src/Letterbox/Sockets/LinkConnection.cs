// One connection to a store, from connect to break. Expected ends of a connection are values here.

using System.Net.Sockets;
using Letterbox.Configuration;
using Letterbox.Hosting;

namespace Letterbox.Sockets;

/// <summary>An open connection, for one writing and one reading loop.</summary>
internal sealed class LinkConnection : IDisposable
{
    private readonly Transport _transport;

    private LinkConnection(Transport transport) => _transport = transport;

    public static async Task<(LinkConnection? Connection, string? Failure)> ConnectAsync(
        Address store, MutualTls? tls, CancellationToken deadline)
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
            string how = e is SocketException { SocketErrorCode: var error } ? $"({error})" : "in time";
            return (null, $"the store at {store} cannot be reached {how}");
        }

        (Transport? transport, string? failure) = tls is null
            ? (new PlainTransport(socket), null)
            : await tls.ConnectAsync(socket, store.Host, deadline);
        if (transport is null) return (null, $"the store at {store} cannot be used: {failure}");
        var connection = new LinkConnection(transport);
        // Announces that every form on this stream ends with LF: see MessageDecoder.
        bool open = await connection.SendAsync("\n"u8.ToArray());
        if (open && (tls is null || await connection.IsAcceptedAsync(deadline))) return (connection, null);
        connection.Dispose();
        return (null, open && tls is not null
            ? $"the store at {store} does not accept our certificate"
            : $"the store at {store} closed the connection");
    }

    // Sends everything; false: the connection is closed.
    public async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty) bytes = bytes[await _transport.SendAsync(bytes)..];
            return true;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    // Receives some bytes; 0: the connection is closed.
    public async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        try
        {
            return await _transport.ReceiveAsync(buffer);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return 0;
        }
    }

    // Receives one line, without its LF; empty: the connection is closed.
    public async ValueTask<byte[]> ReceiveLineAsync()
    {
        byte[] bytes = new byte[Answer.BytesMax];
        for (int length = 0; length < bytes.Length;)
        {
            int count = await ReceiveAsync(bytes.AsMemory(length));
            if (count == 0) break;
            length += count;
            int end = bytes.AsSpan(0, length).IndexOf((byte)'\n');
            if (end >= 0) return bytes[..end];
        }

        return [];
    }

    // In TLS 1.3 a client's handshake ends before the store has verified its certificate. An answer to a
    // status request shows that it was accepted; otherwise the store closes the connection.
    private async ValueTask<bool> IsAcceptedAsync(CancellationToken deadline)
    {
        await using CancellationTokenRegistration close =
            deadline.UnsafeRegister(static self => ((LinkConnection)self!).Close(), this);
        return await SendAsync("?\n"u8.ToArray()) && (await ReceiveLineAsync()).Length > 0;
    }

    // Ends both loops, from any thread.
    public void Close() => _transport.Close();

    // Called when the loops have ended.
    public void Dispose() => _transport.Dispose();
}
