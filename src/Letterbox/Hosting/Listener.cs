// The accept loop of both processes: backlog, limit on connections (ConnectionTable.cs), back-off when the
// process is out of descriptors, and the drain at the end. It knows nothing of the protocol.

using System.Net;
using System.Net.Sockets;
using Letterbox.Configuration;
using Microsoft.Extensions.Logging;

namespace Letterbox.Hosting;

// Listens on one address; connections wait in the backlog until Start. `serve` closes its socket and throws
// nothing for expected network errors; an exception is logged and ends only that connection. `reject` closes
// a connection for which there is no space, without waiting. Clients in `proxies` are exempt from the share
// of one client, as loopback is.
/// <exception cref="SocketException">The address cannot be bound.</exception>
internal sealed class Listener(
    Address address, int connectionsMax, Func<OpenConnection, Task> serve, Action<Socket> reject, ILogger log,
    TrustedProxies? proxies = null) : IDisposable
{
    // Linux limits this to net.core.somaxconn (4,096 by default); a burst waits here and is not rejected.
    private const int Backlog = 4096;

    // After so many, the loop yields to the connections that are open.
    private const int AcceptsPerYield = 64;

    // Added to _open while the accept loop runs: above any number of connections, so that zero means that the
    // loop has stopped and the last connection has ended.
    private const int Accepting = 1 << 30;

    private readonly Socket _socket = Bind(address.ToListen(), SocketType.Stream, ProtocolType.Tcp);
    private readonly ConnectionTable _table = new(connectionsMax);
    private readonly TrustedProxies _proxies = proxies ?? TrustedProxies.None;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _accepting = Task.CompletedTask;
    private int _open = Accepting;

    /// <exception cref="SocketException">The address cannot be bound.</exception>
    public static Socket Bind(IPEndPoint at, SocketType type, ProtocolType protocol)
    {
        var socket = new Socket(at.AddressFamily, type, protocol);
        try
        {
            if (at.Address.Equals(IPAddress.IPv6Any)) socket.DualMode = true;
            socket.Bind(at);
            if (type == SocketType.Stream) socket.Listen(Backlog);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // With the actual port.
    public IPEndPoint EndPoint => (IPEndPoint)_socket.LocalEndPoint!;

    public int Connections => Volatile.Read(ref _open) & (Accepting - 1);

    public void Start() => _accepting = Background.Run("the accept loop", AcceptAsync);

    // Stops accepting and waits until the open connections have ended, at most for `timeout`; the caller
    // tells them to end. Returns how many are left. May be called again.
    public async Task<int> DrainAsync(TimeSpan timeout)
    {
        if (!_stopping.IsCancellationRequested)
        {
            await _stopping.CancelAsync();
            _socket.Dispose();
            await _accepting;
            End(Accepting);
        }

        await Task.WhenAny(_drained.Task, Task.Delay(timeout));
        return Connections;
    }

    public void Dispose()
    {
        _socket.Dispose();
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        // A full backlog must not block the caller of Start.
        await Task.Yield();
        TimeSpan pause = TimeSpan.FromMilliseconds(10);
        for (int accepted = 1; !_stopping.IsCancellationRequested; accepted++)
        {
            try
            {
                // Evicted connections have their descriptors until they have ended.
                while (Connections >= connectionsMax + (2 * ConnectionTable.Reserve))
                    await Task.Delay(1, _stopping.Token);
                Socket socket = await _socket.AcceptAsync(_stopping.Token);
                pause = TimeSpan.FromMilliseconds(10);
                IPAddress peer = ((IPEndPoint)socket.RemoteEndPoint!).Address;
                var connection = new OpenConnection(socket, peer, _proxies);
                if (!_table.TryAdd(connection)) Reject(socket);
                else _ = Background.Run("a connection", () => ServeAsync(connection));
                if (accepted % AcceptsPerYield == 0) await Task.Yield();
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e) when (
                e.SocketErrorCode is SocketError.ConnectionAborted or SocketError.ConnectionReset)
            {
                // The client disconnected before it was accepted.
            }
            catch (SocketException e)
            {
                // Out of descriptors or memory: open connections continue, new ones wait in the backlog.
                log.LogWarning(
                    "cannot accept connections ({Error}), retrying in {Pause} ms",
                    e.SocketErrorCode, pause.TotalMilliseconds);
                await Task.Delay(pause);
                pause = TimeSpan.FromMilliseconds(Math.Min(1000, pause.TotalMilliseconds * 2));
            }
        }
    }

    private void Reject(Socket connection)
    {
        try
        {
            reject(connection);
        }
        catch (Exception e)
        {
            // A bug must not end more than this connection.
            log.LogError(e, "rejecting a connection failed unexpectedly");
            connection.Dispose();
        }
    }

    private async Task ServeAsync(OpenConnection connection)
    {
        Interlocked.Increment(ref _open);
        try
        {
            connection.Socket.NoDelay = true;
            await serve(connection);
        }
        catch (Exception e)
        {
            // A bug must not end more than this connection.
            log.LogError(e, "a connection failed unexpectedly");
            connection.Socket.Dispose();
        }
        finally
        {
            _table.Remove(connection);
            End(1);
        }
    }

    private void End(int what)
    {
        if (Interlocked.Add(ref _open, -what) == 0) _drained.TrySetResult();
    }
}
