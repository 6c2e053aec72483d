// Decides whether a child that has ended is restarted, and after which delay. Pure: no process, no clock.
//
//   was ready  ever ready  ended      decision
//   no         no          exit       give up: it cannot start here (port in use, invalid data folder)
//   no         no          by signal  failed start: restart after the delay; the tenth in a row: give up
//   no         yes         -          failed start: restart after the delay; from the tenth in a row: 30 s
//   yes        -           -          restart after the delay; resets the count of failed starts
//
// A role that was ready once is never given up: the cause (a disk that is full or not mounted) may be
// temporary, and the other role still answers visitors.
//
// The delay is 100 ms and doubles with each restart up to 5 s. A run that was ready and lasted longer than
// 5 s resets it: restarts that are rarer than that cost little.

using Letterbox.Hosting;

namespace Letterbox.Supervision;

// The end of one run of a child. Status 128 + n stands for signal n.
internal readonly record struct ChildEnd(bool WasReady, TimeSpan Ran, int Status)
{
    // Its own signal (abort, segmentation fault) or one from another process.
    public bool BySignal => Status > 128;

    public override string ToString() =>
        BySignal ? $"ended by signal {Status - 128}" : $"ended with status {Status}";
}

// Restart after `Delay`; null: give up, with exit status `Status`.
internal readonly record struct RestartDecision(TimeSpan? Delay, int Status);

internal sealed class RestartPolicy
{
    public const int FailedStartsMax = 10;

    public static readonly TimeSpan DelayMin = TimeSpan.FromMilliseconds(100);

    // Also the shortest run that resets the delay.
    public static readonly TimeSpan DelayMax = TimeSpan.FromSeconds(5);

    // After too many failed starts: longer, because each one logs its reason.
    public static readonly TimeSpan DelayOfFailing = TimeSpan.FromSeconds(30);

    private TimeSpan _delay = DelayMin;
    private bool _everReady;
    private int _failedStarts;

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
