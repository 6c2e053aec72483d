// When a child has ended: start it again, after how long, or give up. Pure: no process, no clock.
//
//   was ready  any before  ended      decision
//   no         no          by itself  give up: it cannot start here (taken port, bad data folder)
//   no         no          by signal  failed start: again after the delay; the tenth in a row: give up
//   no         yes         -          failed start: again after the delay; from the tenth in a row: 30 s
//   yes        -           -          again after the delay; the row of failed starts is over
//
// A role that was ready once is never given up: what keeps it from starting (a disk that is full or away) may
// pass, and the other role tells visitors meanwhile.
//
// The delay is 100 ms, doubles with each restart up to 5 s, and is 100 ms again after a run that was ready
// for longer than that: what dies less often costs the machine little.

using Letterbox.Hosting;

namespace Letterbox.Supervision;

/// <summary>How one run of a child ended.</summary>
/// <param name="WasReady">It had reported that it is ready.</param>
/// <param name="Ran">From its start to its end.</param>
/// <param name="Status">Exit status; 128 + n for signal n.</param>
internal readonly record struct ChildEnd(bool WasReady, TimeSpan Ran, int Status)
{
    /// <summary>
    /// A signal ended it: its own (abort, segmentation fault) or one from outside; it did not exit by itself.
    /// </summary>
    public bool BySignal => Status > 128;

    /// <summary>The end for a log.</summary>
    public override string ToString() =>
        BySignal ? $"ended by signal {Status - 128}" : $"ended with status {Status}";
}

/// <summary>What to do.</summary>
/// <param name="Delay">Start again after this; <c>null</c>: give up.</param>
/// <param name="Status">Exit status of the supervisor when it gives up.</param>
internal readonly record struct RestartDecision(TimeSpan? Delay, int Status);

/// <summary>Decides for one child. Not thread-safe.</summary>
internal sealed class RestartPolicy
{
    /// <summary>Failed starts in a row that are too many.</summary>
    public const int FailedStartsMax = 10;

    /// <summary>The first delay.</summary>
    public static readonly TimeSpan DelayMin = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest delay, and the shortest run that counts as a good one.</summary>
    public static readonly TimeSpan DelayMax = TimeSpan.FromSeconds(5);

    /// <summary>The delay after too many failed starts: each logs its reason.</summary>
    public static readonly TimeSpan DelayOfFailing = TimeSpan.FromSeconds(30);

    private TimeSpan _delay = DelayMin;
    private bool _everReady;
    private int _failedStarts;

    /// <summary>Decides after a run.</summary>
    public RestartDecision After(ChildEnd end)
    {
        _everReady |= end.WasReady;
        _failedStarts = end.WasReady ? 0 : _failedStarts + 1;
        bool tooMany = _failedStarts >= FailedStartsMax;
        if (!_everReady && (!end.BySignal || tooMany))
        {
            int status = end.Status == ExitStatus.Usage ? ExitStatus.Usage : ExitStatus.Failed;
            return new RestartDecision(null, status);
        }

        if (tooMany) return new RestartDecision(DelayOfFailing, ExitStatus.Ok);
        if (end.WasReady && end.Ran > DelayMax) _delay = DelayMin;
        TimeSpan delay = _delay;
        _delay = TimeSpan.FromTicks(Math.Min(DelayMax.Ticks, 2 * _delay.Ticks));
        return new RestartDecision(delay, ExitStatus.Ok);
    }
}
