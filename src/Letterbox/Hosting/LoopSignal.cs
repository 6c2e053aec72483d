// Wakes one loop, from any thread. docs/decisions/0010 explains what runs where.

namespace Letterbox.Hosting;

/// <summary>
/// Set from any thread, awaited by one loop. Several signals before it waits again count as one, never as
/// none.
/// </summary>
internal sealed class LoopSignal : IDisposable
{
    private readonly SemaphoreSlim _signals = new(0);
    private int _signalled;
    private volatile bool _down;

    /// <summary>Wakes the loop. Does nothing after disposal.</summary>
    public void Signal()
    {
        if (Interlocked.Exchange(ref _signalled, 1) == 0) _signals.Release();
    }

    /// <summary>
    /// Waits for a signal since the last wait; <c>false</c>: disposed. One caller at a time.
    /// </summary>
    public async ValueTask<bool> WaitAsync()
    {
        if (_down) return false;
        await _signals.WaitAsync();
        // Before the caller checks for work: what is added later signals again.
        Interlocked.Exchange(ref _signalled, 0);
        return !_down;
    }

    /// <summary>Ends the wait. The semaphore needs no disposal, and a late signal does no harm.</summary>
    public void Dispose()
    {
        _down = true;
        _signals.Release();
    }
}
