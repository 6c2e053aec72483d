// Detects that a running child hangs. It is probed every 5 s, and any answer counts, even a rejection.
//
//   the child           its state                           action
//   answers             any                                 none
//   does not answer     stopped by a signal (T)             continued by SIGCONT
//                       held by a debugger (t)              logged once; the monitor waits
//                       running, fewer than 6 in a row      probed again
//                       running, the sixth in a row         reported as hung: ChildSupervisor.cs kills it
//
// T and t are states of proc(5). Without /proc a child counts as running.
//
// The limit is a number of probes, each with a timeout of 5 s, and not the time since the last answer: this
// process may have been stopped in between (Ctrl-Z, a suspended laptop), and then one probe fails, not six.

using Letterbox.Configuration;
using Microsoft.Extensions.Logging;

namespace Letterbox.Supervision;

// Whether there was any answer before the deadline; null: this process could not send the probe.
internal delegate Task<bool?> Probe(Address at, CancellationToken deadline);

// The state of a child according to the kernel; Stopped: by SIGSTOP, Ctrl-Z or similar.
internal enum ChildState
{
    Running,
    Stopped,
    Traced,
}

internal sealed class LivenessMonitor(string role, Probe probe, TimeProvider time, ILogger log)
{
    // Short enough for visitors, and cheap compared with a single request of one.
    public static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(5);

    // An answer takes a millisecond. On a machine so busy that some take 5 s, one of six comes in time.
    public static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(5);

    // 30 s in all, as long as a start may take. A needless restart costs the requests in flight, a late one
    // only a few more seconds without a page.
    public const int MissedMax = 6;

    // Returns true when the child hangs, and false when `ended` is set.
    public async Task<bool> IsHungAsync(
        Address at, int id, Func<ChildState> state, Action resume, CancellationToken ended)
    {
        bool traced = false;
        for (int missed = 0; missed < MissedMax;)
        {
            // After a timeout the next probe follows at once.
            TimeSpan pause = missed == 0 || traced ? ProbeInterval : TimeSpan.Zero;
            await Task.Delay(pause, time, ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            bool? answered = ended.IsCancellationRequested ? null : await AskAsync(at, ended);
            if (ended.IsCancellationRequested) return false;
            if (answered is null) continue;
            if (answered.Value)
            {
                if (traced || missed > 1) log.LogInformation("{Role} (process {Id}) answers again", role, id);
                (missed, traced) = (0, false);
                continue;
            }

            ChildState now = state();
            if (now == ChildState.Traced)
            {
                if (!traced)
                    log.LogWarning("{Role} (process {Id}) is held by a debugger: waiting for it", role, id);
                (missed, traced) = (0, true);
            }
            else if (now == ChildState.Stopped)
            {
                log.LogWarning("{Role} (process {Id}) was stopped by a signal: continued", role, id);
                missed = 0;
                resume();
            }
            else if (++missed == 2)
            {
                log.LogWarning("{Role} (process {Id}) does not answer", role, id);
            }
        }

        return true;
    }

    private async Task<bool?> AskAsync(Address at, CancellationToken ended)
    {
        using var deadline = new CancellationTokenSource(ProbeTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, ended);
        long since = time.GetTimestamp();
        bool? answered = await probe(at, either.Token);
        // A probe that fails early (connection refused) counts no faster than one that times out.
        TimeSpan rest = ProbeTimeout - time.GetElapsedTime(since);
        if (answered != true && rest > TimeSpan.Zero)
            await Task.Delay(rest, time, ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return answered;
    }
}
