// Wakes a loop once the sockets that are ready at this moment have been served.
//
// What a busy process does is cheapest done together: one send for all messages that came in, one sync for
// all that are to be stored. But whoever is woken by the first of them runs at once, often on the same core,
// and finds just that one. So the ring is sent through a socket of our own: where it is heard, the sockets
// that were ready before it have had their turn, and what they brought is there. Nobody waits for longer than
// that: it is an order of turns, not a time. (Others call this a self-pipe.)
//
// Windows has no such pair of sockets, and no such turns: there the ring is a semaphore.

using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Letterbox;

/// <summary>
/// Rung from any thread, heard by one loop. Several rings before it listens again are heard as one, never as
/// none.
/// </summary>
internal sealed partial class Bell : IDisposable
{
    // AF_UNIX and SOCK_STREAM, the same wherever there is a socketpair; SOCK_CLOEXEC is Linux's.
    private const int Unix = 1;
    private const int Stream = 1;
    private const int CloseOnExec = 0x8_0000;

    private readonly byte[] _heard = new byte[1];
    private readonly SemaphoreSlim? _semaphore;
    private readonly Socket? _clapper;
    private readonly Socket? _ear;
    private int _rung;
    private volatile bool _down;

    /// <summary>Hangs it up.</summary>
    /// <exception cref="SocketException">The process is out of descriptors.</exception>
    public Bell()
    {
        if (OperatingSystem.IsWindows())
        {
            _semaphore = new SemaphoreSlim(0);
            return;
        }

        int[] pair = new int[2];
        int type = OperatingSystem.IsLinux() ? Stream | CloseOnExec : Stream;
        if (MakePair(Unix, type, 0, pair) != 0)
            throw new SocketException((int)SocketError.TooManyOpenSockets);
        _clapper = new Socket(new SafeSocketHandle(pair[0], ownsHandle: true));
        _ear = new Socket(new SafeSocketHandle(pair[1], ownsHandle: true));
    }

    /// <summary>Rings. Does nothing when it is disposed.</summary>
    public void Ring()
    {
        // One ring is on its way at most, so that sending it never waits.
        if (Interlocked.Exchange(ref _rung, 1) == 1) return;
        try
        {
            _semaphore?.Release();
            _clapper?.Send("!"u8);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            if (_down) return;
            // The kernel has no room for a byte just now. A ring must not be lost: try again until it has.
            Interlocked.Exchange(ref _rung, 0);
            ThreadPool.UnsafeQueueUserWorkItem(static bell => bell.Ring(), this, preferLocal: false);
        }
    }

    /// <summary>
    /// Waits for a ring since the last wait; <c>false</c>: it is disposed. One caller at a time.
    /// </summary>
    public async ValueTask<bool> HearAsync()
    {
        try
        {
            if (_ear is not null && await _ear.ReceiveAsync(_heard, SocketFlags.None) == 0) return false;
            if (_semaphore is not null) await _semaphore.WaitAsync();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Disposed, most likely. If not, it is as if it had rung: better to look in vain than not at all.
        }

        // Before the caller looks for work: who brings some later rings again.
        Interlocked.Exchange(ref _rung, 0);
        return !_down;
    }

    /// <summary>Takes it down, which ends the wait.</summary>
    public void Dispose()
    {
        _down = true;
        _semaphore?.Release();
        _clapper?.Dispose();
        _ear?.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "socketpair")]
    private static partial int MakePair(int domain, int type, int protocol, [Out] int[] pair);
}
