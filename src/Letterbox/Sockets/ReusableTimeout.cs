// A timeout for successive waits on the same socket, without a new timer for each.

namespace Letterbox.Sockets;

// Makes a token per wait that is cancelled at the timeout or at the stop. `In` ends the wait before. Used by
// one loop; the stop may come from any thread.
internal sealed class ReusableTimeout : IDisposable
{
    private readonly TimeProvider _time;
    private readonly CancellationToken _stop;
    private readonly CancellationTokenRegistration _stopping;
    private CancellationTokenSource _source;

    public ReusableTimeout(TimeProvider time, CancellationToken stop)
    {
        (_time, _stop) = (time, stop);
        _source = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _stopping = stop.UnsafeRegister(static self => ((ReusableTimeout)self!).Cancel(), this);
    }

    // A token for a wait that begins now.
    public CancellationToken In(TimeSpan wait)
    {
        if (!_source.TryReset())
        {
            // A full fence: either the stop sees the new source, or this thread sees the stop.
            var fresh = new CancellationTokenSource(Timeout.InfiniteTimeSpan, _time);
            Interlocked.Exchange(ref _source, fresh).Dispose();
            if (_stop.IsCancellationRequested) return _stop;
        }

        _source.CancelAfter(wait);
        return _source.Token;
    }

    public void Dispose()
    {
        _stopping.Dispose();
        _source.Dispose();
    }

    private void Cancel()
    {
        try
        {
            Volatile.Read(ref _source).Cancel();
        }
        catch (ObjectDisposedException)
        {
            // Replaced at the same time by a source whose creator sees the stop.
        }
    }
}
