// Wakes one loop, from any thread. docs/decisions/0010 says what runs where.

namespace Letterbox.Hosting;

// Set from any thread, awaited by one loop. Several signals before the next wait count as one; none is
// lost.
internal sealed class LoopSignal : IDisposable
{
    private readonly SemaphoreSlim _signals = new(0);
    private int _signalled;
    private volatile bool _disposed;

    // Has no effect after Dispose.
    public void Signal()
    {
        if (Interlocked.Exchange(ref _signalled, 1) == 0) _signals.Release();
    }

    // Waits for a signal since the last wait; false: disposed. One caller at a time.
    public async ValueTask<bool> WaitAsync()
    {
        if (_disposed) return false;
        await _signals.WaitAsync();
        // Before the caller looks for work: work that is added later signals again.
        Interlocked.Exchange(ref _signalled, 0);
        return !_disposed;
    }

    // Ends the wait. The semaphore itself needs no disposal, so a late signal is harmless.
    public void Dispose()
    {
        _disposed = true;
        _signals.Release();
    }
}
