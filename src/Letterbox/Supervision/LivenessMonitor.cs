// Detects that a running child no longer serves: it is probed, and any answer counts, a rejection too.
//
//   the child           when asked                          what happens
//   answers             every 5 s                           nothing
//   gives no answer     stopped by a signal (T)             continued by SIGCONT at once
//                       held by a debugger (t)              logged once; it is waited for
//                       running, fewer than 6 in a row      asked again
//                       running, the sixth in a row         reported as hung: ChildSupervisor.cs kills it
//
// T and t are states of proc(5); where there is no /proc every silent child counts as running.
//
// Counted are questions, each with 5 s of its own, and not the time since the last answer: for that time this
// process may have been stopped too (Ctrl-Z, a laptop asleep), and then one question fails, not six.

using Letterbox.Configuration;
using Microsoft.Extensions.Logging;

namespace Letterbox.Supervision;

/// <summary>
/// Whether anything was answered there before <paramref name="deadline"/>; null: this process could not ask.
/// </summary>
internal delegate Task<bool?> Probe(Address at, CancellationToken deadline);

/// <summary>The state of a child according to the kernel.</summary>
internal enum ChildState
{
    Running,

    /// <summary>By SIGSTOP, Ctrl-Z or their like.</summary>
    Stopped,

    /// <summary>By a debugger.</summary>
    Traced,
}

/// <summary>Watches one child after the other. Not thread-safe.</summary>
internal sealed class LivenessMonitor(string role, Probe probe, TimeProvider time, ILogger log)
{
    /// <summary>Quick enough for visitors to come back, and nothing beside what one of them costs.</summary>
    public static readonly TimeSpan ProbeEvery = TimeSpan.FromSeconds(5);

    /// <summary>
    /// An answer takes a millisecond. On a machine so busy that one takes 5 s, one of six comes in time.
    /// </summary>
    public static readonly TimeSpan AnswerMax = TimeSpan.FromSeconds(5);

    /// <summary>
    /// With <see cref="AnswerMax"/> 30 s, as long as a start may take. A restart too many costs the requests
    /// in flight, one too late a few more seconds without a page.
    /// </summary>
    public const int MissedMax = 6;

    /// <summary>Returns true once the child hangs; false at <paramref name="ended"/>.</summary>
    /// <param name="at">Where it serves.</param>
    /// <param name="id">Its process id, for the log.</param>
    /// <param name="state">Its state according to the kernel.</param>
    /// <param name="resume">Continues it after it was stopped.</param>
    /// <param name="ended">It need not be watched any more.</param>
    public async Task<bool> IsHungAsync(
        Address at, int id, Func<ChildState> state, Action resume, CancellationToken ended)
    {
        bool traced = false;
        for (int missed = 0; missed < MissedMax;)
        {
            // What gave no answer is asked again at once: it had its time.
            TimeSpan pause = missed == 0 || traced ? ProbeEvery : TimeSpan.Zero;
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
        using var deadline = new CancellationTokenSource(AnswerMax, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, ended);
        long since = time.GetTimestamp();
        bool? answered = await probe(at, either.Token);
        // A rejected probe is repeated, but not immediately.
        TimeSpan rest = AnswerMax - time.GetElapsedTime(since);
        if (answered != true && rest > TimeSpan.Zero)
            await Task.Delay(rest, time, ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return answered;
    }
}
