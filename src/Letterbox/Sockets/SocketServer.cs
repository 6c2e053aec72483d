// The socket server: TCP and UDP on one port number. docs/PROTOCOL.md defines the protocol.
//
// With certificates there is only TCP with TLS, and nothing is read before the client has shown an accepted
// certificate: MutualTls.cs.

using System.Net;
using System.Net.Sockets;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Microsoft.Extensions.Logging;

namespace Letterbox.Sockets;

/// <summary>Takes messages over TCP and UDP and answers with the receipt of a delegate.</summary>
internal sealed class SocketServer : IDisposable
{
    // How many free TCP ports to try until one is also free for UDP.
    private const int PortAttempts = 32;

    private readonly CancellationTokenSource _stopping = new();
    private readonly MutualTls? _tls;
    private readonly HandshakeLimiter _handshakes;
    private readonly Listener _listener;
    private readonly DatagramServer? _datagrams;

    // Binds; clients wait until Start. Port 0 is any port that is free for TCP and UDP. `accept` and
    // `state`, the answer to a status request unless messages had to wait, are called on any thread and
    // must not block.
    /// <exception cref="SocketException">The address cannot be bound.</exception>
    public SocketServer(
        Address address, Deliver accept, SocketLimits limits, TimeProvider time, ILogger log,
        MutualTls? tls = null, Func<Readiness>? state = null)
    {
        (Accept, Limits, Time, _tls) = (accept, limits, time, tls);
        Memory = new MemoryBudget(limits.MemoryMax);
        Status = new StoreStatus(state ?? (static () => new Readiness([], [])), limits.WaitMemory, time);
        _handshakes = new HandshakeLimiter(limits.UnauthenticatedMax, time, log);
        (_listener, _datagrams) = Bind(address, log);
    }

    public Deliver Accept { get; }
    public SocketLimits Limits { get; }
    public TimeProvider Time { get; }
    public MemoryBudget Memory { get; }
    public StoreStatus Status { get; }

    // Called on any thread; must not block.
    public Func<MessageKey, FoundReceipt> Find { get; init; } = static _ => default;

    // With the actual port.
    public IPEndPoint EndPoint => _listener.EndPoint;

    // Open TCP connections.
    public int Connections => _listener.Connections;

    public void Start()
    {
        _listener.Start();
        _datagrams?.Start(_stopping.Token);
    }

    // Stops reading, answers what has been read and closes, within the timeout. Returns how many connections
    // are still open.
    public async Task<int> DrainAsync(TimeSpan timeout)
    {
        await _stopping.CancelAsync();
        Task datagrams = _datagrams?.DrainAsync(timeout) ?? Task.CompletedTask;
        int left = await _listener.DrainAsync(timeout);
        await datagrams;
        return left;
    }

    public void Dispose()
    {
        _stopping.Cancel();
        _listener.Dispose();
        _datagrams?.Dispose();
        _stopping.Dispose();
    }

    private (Listener Listener, DatagramServer? Datagrams) Bind(Address address, ILogger log)
    {
        for (int attempt = 1; ; attempt++)
        {
            var listener = new Listener(address, Limits.ConnectionsMax, ServeAsync, Reject, log);
            if (_tls is not null) return (listener, null);
            try
            {
                return (listener, new DatagramServer(this, listener.EndPoint, log));
            }
            catch (SocketException) when (address.Port == 0 && attempt < PortAttempts)
            {
                listener.Dispose();
            }
            catch
            {
                listener.Dispose();
                throw;
            }
        }
    }

    private Task ServeAsync(OpenConnection connection) => _tls is null
        ? ServeAsync(connection, new PlainTransport(connection.Socket))
        : ServeAuthenticatedAsync(connection, _tls);

    private async Task ServeAsync(OpenConnection connection, Transport transport)
    {
        using var session = new SocketSession(this, transport, _stopping.Token);
        connection.Session = session;
        await session.RunAsync();
    }

    private async Task ServeAuthenticatedAsync(OpenConnection connection, MutualTls tls)
    {
        Socket socket = connection.Socket;
        using var deadline = new CancellationTokenSource(Limits.HandshakeTimeout, Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, _stopping.Token);
        (Transport? transport, string? failure) =
            await _handshakes.RunAsync(socket, () => tls.AcceptAsync(socket, either.Token));
        if (transport is not null) await ServeAsync(connection, transport);
        else if (!_stopping.IsCancellationRequested) _handshakes.LogRejected(connection.Peer, failure!);
    }

    // The buffer of a new connection has space for one line, so this send never blocks. With TLS there is no
    // time for a handshake, and nothing is sent.
    private void Reject(Socket socket)
    {
        if (_tls is null) socket.Send("WAIT too many connections\n"u8, SocketFlags.None, out _);
        socket.Dispose();
    }
}
