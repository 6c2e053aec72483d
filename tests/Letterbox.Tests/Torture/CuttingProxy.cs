// A stretch of network that fails on demand: what comes in on one side goes out on the other, until it is cut
// in the middle of some bytes, or stands still for a while.

using System.Net.Sockets;
using Letterbox.Configuration;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Torture;

/// <summary>Forwards TCP connections from a port of its own. Safe on any thread.</summary>
internal sealed class CuttingProxy : IDisposable
{
    private readonly Socket _listener = Loopback.Listen();
    private readonly Address _target;
    private readonly SemaphoreSlim _flows = new(1);
    private int _cuts;

    /// <summary>Forwards to <paramref name="target"/>.</summary>
    public CuttingProxy(Address target)
    {
        _target = target;
        _ = AcceptAsync();
    }

    /// <summary>Where to connect to.</summary>
    public Address Address => new("127.0.0.1", _listener.Port());

    /// <summary>
    /// The next bytes, whichever way they go, get through in part, and their connection ends.
    /// </summary>
    public void Cut() => Volatile.Write(ref _cuts, 1);

    /// <summary>Nothing gets through for a while.</summary>
    public async Task FreezeAsync(TimeSpan duration)
    {
        await _flows.WaitAsync();
        await Task.Delay(duration);
        _flows.Release();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _listener.Dispose();
        _flows.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket near = await _listener.AcceptAsync();
                var far = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await far.ConnectAsync(_target.ToConnect());
                _ = PumpAsync(near, far);
                _ = PumpAsync(far, near);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The end of the test.
        }
    }

    private async Task PumpAsync(Socket from, Socket to)
    {
        try
        {
            byte[] bytes = new byte[16 * 1024];
            while (await from.ReceiveAsync(bytes) is > 0 and var count)
            {
                await _flows.WaitAsync();
                _flows.Release();
                bool cut = Interlocked.Exchange(ref _cuts, 0) == 1;
                await to.SendAsync(bytes.AsMemory(0, cut ? Random.Shared.Next(count) : count));
                if (cut) break;
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // One end is gone: so is the other.
        }

        from.Dispose();
        to.Dispose();
    }
}
