// A time limit for one wait after another on the same socket, without a new timer for each.

namespace Letterbox.Sockets;

/// <summary>
/// Hands out a token per wait that is cancelled when the wait's time is up, or when everything is to stop.
/// Waits follow each other: <see cref="In"/> ends the one before. Used by one loop; the stop may come from
/// any thread.
/// </summary>
internal sealed class ReusableTimeout : IDisposable
{
    private readonly TimeProvider _time;
    private readonly CancellationToken _stop;
    private readonly CancellationTokenRegistration _stopping;
    private CancellationTokenSource _source;

    /// <summary>
    /// Time by <paramref name="time"/>; <paramref name="stop"/> ends the current wait and every later
    /// one.
    /// </summary>
    public ReusableTimeout(TimeProvider time, CancellationToken stop)
    {
        (_time, _stop) = (time, stop);
        _source = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _stopping = stop.UnsafeRegister(static self => ((ReusableTimeout)self!).Cancel(), this);
    }

    /// <summary>A token for a wait that begins now.</summary>
    public CancellationToken In(TimeSpan wait)
    {
        if (!_source.TryReset())
        {
            // A full fence: either the stop finds this new source, or this thread finds the stop.
            var fresh = new CancellationTokenSource(Timeout.InfiniteTimeSpan, _time);
            Interlocked.Exchange(ref _source, fresh).Dispose();
            if (_stop.IsCancellationRequested) return _stop;
        }

        _source.CancelAfter(wait);
        return _source.Token;
    }

    /// <inheritdoc/>
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
            // Replaced in this very moment by one whose maker sees the stop.
        }
    }
}
