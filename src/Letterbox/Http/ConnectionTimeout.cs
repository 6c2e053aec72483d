// The wait of one connection for its client. The connection's loop begins and ends it; the sweep, a server
// that stops, the memory budget and the connection table may end it first. One atomic exchange decides who.

namespace Letterbox.Http;

/// <summary>One loop begins and ends waits; any thread may expire them.</summary>
internal sealed class ConnectionTimeout(TimeProvider time)
{
    // Values of _deadline besides timestamps.
    private const long NotWaiting = long.MaxValue;
    private const long Expired = -1;

    private long _deadline = NotWaiting;
    private long _since;

    public bool IsWaiting => Deadline is not (NotWaiting or Expired);

    // long.MaxValue: no wait.
    public long WaitingSince => IsWaiting ? _since : long.MaxValue;

    /// <summary>The deadline of the current wait, and its identity for <see cref="TryExpire"/>.</summary>
    public long Deadline => Volatile.Read(ref _deadline);

    /// <summary>A full fence: a server that stops sees this wait, or the caller sees it stop.</summary>
    public void Begin(long since, TimeSpan timeout)
    {
        _since = since;
        Interlocked.Exchange(
            ref _deadline, since + (long)(timeout.TotalSeconds * time.TimestampFrequency));
    }

    /// <summary><c>false</c>: the wait has expired.</summary>
    public bool End() => Interlocked.Exchange(ref _deadline, NotWaiting) != Expired;

    /// <summary><c>true</c>: ended the wait with this deadline; the caller closes the connection.</summary>
    public bool TryExpire(long deadline) =>
        deadline is not (NotWaiting or Expired)
        && Interlocked.CompareExchange(ref _deadline, Expired, deadline) == deadline;
}
