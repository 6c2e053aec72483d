// A clock that a test moves by hand, so that what waits for time is tested without waiting.

using System.Threading.Channels;

namespace Letterbox.Tests.Support;

/// <summary>
/// Time stands still until <see cref="Advance"/>, which fires the timers that fall due, in order, on the
/// caller's thread. The local time zone is UTC unless given. Safe on any thread.
/// </summary>
public sealed class ManualTime(DateTimeOffset start, TimeZoneInfo? zone = null) : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<ManualTimer> _timers = [];
    private readonly Channel<TimeSpan> _armed = Channel.CreateUnbounded<TimeSpan>();
    private readonly List<(TimeSpan Due, TaskCompletionSource Armed)> _watchers = [];
    private DateTimeOffset _now = start.ToUniversalTime();

    /// <summary>Starts at an arbitrary moment.</summary>
    public ManualTime() : this(
        new DateTimeOffset(2022, 10, 29, 20, 20, 58, TimeSpan.Zero).AddMicroseconds(20_261))
    {
    }

    /// <inheritdoc/>
    public override TimeZoneInfo LocalTimeZone { get; } = zone ?? TimeZoneInfo.Utc;

    /// <inheritdoc/>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate) return _now;
    }

    /// <inheritdoc/>
    public override long GetTimestamp() => GetUtcNow().UtcTicks;

    /// <summary>Moves the clock and fires what falls due on the way, each timer at its own moment.</summary>
    public void Advance(TimeSpan by)
    {
        DateTimeOffset end = GetUtcNow() + by;
        while (NextDue(end) is { } timer) timer.Fire();
        lock (_gate) _now = end;
    }

    /// <summary>
    /// Waits until something arms a timer, and tells for how long it does. Every arming is told once, in
    /// order: a test learns so that the code under test has begun to wait, and how patient it is.
    /// </summary>
    public async Task<TimeSpan> NextTimerAsync() =>
        await _armed.Reader.ReadAsync(TestContext.Current.CancellationToken);

    /// <summary>
    /// Completes when a timer is set, or was set, that fires in exactly <paramref name="due"/> from now.
    /// </summary>
    public Task ArmedAsync(TimeSpan due)
    {
        lock (_gate)
        {
            if (_timers.Any(timer => timer.Due == _now + due)) return Task.CompletedTask;
            var armed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _watchers.Add((due, armed));
            return armed.Task;
        }
    }

    /// <inheritdoc/>
    public override ITimer CreateTimer(
        TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    // Takes the earliest timer due by then, moves the clock to its moment, and arms it again when it repeats.
    private ManualTimer? NextDue(DateTimeOffset end)
    {
        lock (_gate)
        {
            ManualTimer? next = _timers.Where(timer => timer.Due <= end).MinBy(static timer => timer.Due);
            if (next is null) return null;
            if (next.Due > _now) _now = next.Due;
            if (next.Period > TimeSpan.Zero) next.Due += next.Period;
            else _timers.Remove(next);
            return next;
        }
    }

    private sealed class ManualTimer(ManualTime time, TimerCallback callback, object? state) : ITimer
    {
        public DateTimeOffset Due { get; set; }

        public TimeSpan Period { get; private set; }

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._gate)
            {
                time._timers.Remove(this);
                if (dueTime == Timeout.InfiniteTimeSpan) return true;
                (Due, Period) = (time._now + dueTime, period);
                time._timers.Add(this);
                foreach ((TimeSpan due, TaskCompletionSource armed) in time._watchers)
                {
                    if (due == dueTime) armed.TrySetResult();
                }

                time._watchers.RemoveAll(watcher => watcher.Due == dueTime);
            }

            time._armed.Writer.TryWrite(dueTime);
            return true;
        }

        public void Dispose()
        {
            lock (time._gate) time._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
