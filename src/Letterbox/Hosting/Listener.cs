// The accept loop that both processes share: backlog, bound on connections (ConnectionTable.cs), back-off
// when the process is out of descriptors, and the drain at the end. It knows nothing of what is spoken on a
// connection.

using System.Net;
using System.Net.Sockets;
using Letterbox.Configuration;
using Microsoft.Extensions.Logging;

namespace Letterbox.Hosting;

/// <summary>
/// Listens on one address and serves each connection by a delegate. The delegate owns its socket: it closes
/// it, and throws nothing that belongs to ordinary life on a network. What it does throw is logged, and ends
/// that connection only.
/// </summary>
internal sealed class Listener : IDisposable
{
    // Linux cuts this to net.core.somaxconn (4,096 by default); a burst waits here instead of being rejected.
    private const int Backlog = 4096;

    // After so many, those who are connected have their turn.
    private const int AcceptsPerTurn = 64;

    // The accept loop, in the count of what is open: a number above all connections, so that zero means
    // stopped, and the last connection has ended.
    private const int Accepting = 1 << 30;

    private readonly Socket _socket;
    private readonly Func<OpenConnection, Task> _serve;
    private readonly Action<Socket> _reject;
    private readonly int _connectionsMax;
    private readonly ConnectionTable _table;
    private readonly TrustedProxies _proxies;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _accepting = Task.CompletedTask;
    private int _open = Accepting;

    /// <summary>Binds and listens; connections wait in the backlog until <see cref="Start"/>.</summary>
    /// <param name="address">Where; port 0 picks a free one, see <see cref="EndPoint"/>.</param>
    /// <param name="connectionsMax">
    /// Above this many open connections the one that has been idle for longest ends; if none is idle the new
    /// one goes to <paramref name="reject"/>.
    /// </param>
    /// <param name="serve">Serves one connection to its end.</param>
    /// <param name="reject">Turns one connection away, without waiting, and closes it.</param>
    /// <param name="log">Failures are logged here.</param>
    /// <param name="proxies">Clients that have no share to keep to, as loopback has none.</param>
    /// <exception cref="SocketException">
    /// The address cannot be bound: taken, not ours, not allowed.
    /// </exception>
    public Listener(
        Address address, int connectionsMax, Func<OpenConnection, Task> serve, Action<Socket> reject,
        ILogger log, TrustedProxies? proxies = null)
    {
        (_connectionsMax, _serve, _reject, _log) = (connectionsMax, serve, reject, log);
        (_table, _proxies) = (new ConnectionTable(connectionsMax), proxies ?? TrustedProxies.None);
        IPEndPoint at = address.ToListen();
        _socket = new Socket(at.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (at.Address.Equals(IPAddress.IPv6Any)) _socket.DualMode = true;
            _socket.Bind(at);
            _socket.Listen(Backlog);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>Where it listens, with the port that port 0 became.</summary>
    public IPEndPoint EndPoint => (IPEndPoint)_socket.LocalEndPoint!;

    /// <summary>Connections open now.</summary>
    public int Connections => Volatile.Read(ref _open) & (Accepting - 1);

    /// <summary>Begins to accept.</summary>
    public void Start() => _accepting = Background.Run("accepting", AcceptAsync);

    /// <summary>
    /// Stops accepting, then waits until the connections that are open have ended, at most for <paramref
    /// name="timeout"/>. The caller makes them end; the listener only waits. Returns
    /// how many are left. May be called again, to wait some more.
    /// </summary>
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

    /// <inheritdoc/>
    public void Dispose()
    {
        _socket.Dispose();
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        // A full backlog must not block the caller.
        await Task.Yield();
        TimeSpan pause = TimeSpan.FromMilliseconds(10);
        for (int accepted = 1; !_stopping.IsCancellationRequested; accepted++)
        {
            try
            {
                // What has been evicted needs a moment to end, and has its descriptor until then.
                while (Connections >= _connectionsMax + (2 * ConnectionTable.Reserve))
                    await Task.Delay(1, _stopping.Token);
                Socket socket = await _socket.AcceptAsync(_stopping.Token);
                pause = TimeSpan.FromMilliseconds(10);
                IPAddress peer = ((IPEndPoint)socket.RemoteEndPoint!).Address;
                var connection = new OpenConnection(socket, peer, _proxies);
                if (!_table.TryAdd(connection)) Reject(socket);
                else _ = Background.Run("a connection", () => ServeAsync(connection));
                if (accepted % AcceptsPerTurn == 0) await Task.Yield();
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e) when (
                e.SocketErrorCode is SocketError.ConnectionAborted or SocketError.ConnectionReset)
            {
                // The client closed before it was accepted: nothing to do.
            }
            catch (SocketException e)
            {
                // Out of descriptors or memory: those who are connected go on, the others wait in the
                // backlog.
                _log.LogWarning(
                    "cannot accept connections now ({Error}), trying again in {Pause} ms",
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
            _reject(connection);
        }
        catch (Exception e)
        {
            // A bug of ours: it costs this connection, never the server.
            _log.LogError(e, "rejecting a connection failed unexpectedly");
            connection.Dispose();
        }
    }

    private async Task ServeAsync(OpenConnection connection)
    {
        Interlocked.Increment(ref _open);
        try
        {
            connection.Socket.NoDelay = true;
            await _serve(connection);
        }
        catch (Exception e)
        {
            // A bug of ours: it costs this connection, never the server.
            _log.LogError(e, "a connection failed unexpectedly");
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
