// Wakes one loop, from any thread. docs/decisions/0010 says what runs where.

namespace Letterbox.Hosting;

/// <summary>
/// Rung from any thread, heard by one loop. Several rings before it listens again are heard as one, never as
/// none.
/// </summary>
internal sealed class LoopSignal : IDisposable
{
    private readonly SemaphoreSlim _signals = new(0);
    private int _signalled;
    private volatile bool _down;

    /// <summary>Rings. Does nothing when it is disposed.</summary>
    public void Signal()
    {
        if (Interlocked.Exchange(ref _signalled, 1) == 0) _signals.Release();
    }

    /// <summary>
    /// Waits for a ring since the last wait; <c>false</c>: it is disposed. One caller at a time.
    /// </summary>
    public async ValueTask<bool> WaitAsync()
    {
        if (_down) return false;
        await _signals.WaitAsync();
        // Before the caller looks for work: what is brought later rings again.
        Interlocked.Exchange(ref _signalled, 0);
        return !_down;
    }

    /// <summary>Ends the wait. The semaphore needs no disposing, and a late ring does no harm.</summary>
    public void Dispose()
    {
        _down = true;
        _signals.Release();
    }
}
