// Keeps one role running: starts it, restarts it when it ends, stops it on request.
//
//   state      what happens                          next
//   Starting   it reports that it is ready           Running
//              it ends                               Waiting, or given up (RestartPolicy)
//              30 s pass                             killed: it ends
//   Running    it ends                               Waiting
//              it hangs (LivenessMonitor)            killed: it ends
//   Waiting    the delay is over                     Starting, at the address it had
//   any        stop                                  Stopping: its standard input is closed
//   Stopping   it ends                               stopped
//              10 s pass, or an immediate stop       killed: it ends

using System.Diagnostics;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Microsoft.Extensions.Logging;

namespace Letterbox.Supervision;

/// <summary>A role that has a process of its own, as the supervisor knows it.</summary>
/// <param name="Name">As its ready line and the log name it.</param>
/// <param name="Listens">The setting that is its address.</param>
/// <param name="Probe">Asks it whether it serves.</param>
internal sealed record Role(string Name, Setting Listens, Probe Probe);

/// <summary>Keeps one role running. One call of <see cref="RunAsync"/> in its life.</summary>
/// <param name="role">The role.</param>
/// <param name="command">The executable and its arguments.</param>
/// <param name="output">Where what the child prints goes.</param>
/// <param name="log">Deaths and restarts go here.</param>
internal sealed class ChildSupervisor(
    Role role, IReadOnlyList<string> command, TextWriter output, ILogger log)
{
    private readonly RestartPolicy _policy = new();
    private readonly TaskCompletionSource<Address> _firstReady =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>How long a child may take until it is ready.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a child may take to stop.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The clock of the questions whether it serves.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>
    /// The address of the role once it was ready for the first time; it stays the same from then on.
    /// </summary>
    public Task<Address> FirstReady => _firstReady.Task;

    /// <summary>
    /// Runs the role until <paramref name="stop"/>, or until it is given up. Returns the exit status.
    /// </summary>
    /// <param name="variables">The child's settings.</param>
    /// <param name="stop">The child is to drain and stop.</param>
    /// <param name="immediately">The child is to be killed.</param>
    public async Task<int> RunAsync(
        IReadOnlyDictionary<string, string?> variables, CancellationToken stop, CancellationToken immediately)
    {
        var settings = new Dictionary<string, string?>(variables);
        while (true)
        {
            // A port that the system picked is kept: the other process and every visitor know it by now.
            if (FirstReady.IsCompleted)
            {
                settings[role.Listens.Variable] = (await FirstReady).ToString();
                settings[StopSignal.SupervisedVariable] = StopSignal.Restart;
            }

            ChildEnd end = await RunOnceAsync(settings, stop, immediately);
            if (stop.IsCancellationRequested)
            {
                log.LogDebug("{Role} is stopped", role.Name);
                return ExitStatus.Ok;
            }

            RestartDecision decision = _policy.After(end);
            if (decision.Delay is not { } delay)
            {
                log.LogError(
                    "{Role} cannot start: it {End}, the reason is above; giving up", role.Name, end);
                return decision.Status;
            }

            log.LogWarning(
                "{Role} {End}; started again in {Delay} ms", role.Name, end, delay.TotalMilliseconds);
            await Task.Delay(delay, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stop.IsCancellationRequested) return ExitStatus.Ok;
        }
    }

    private async Task<ChildEnd> RunOnceAsync(
        IReadOnlyDictionary<string, string?> settings, CancellationToken stop, CancellationToken immediately)
    {
        var ran = Stopwatch.StartNew();
        (ChildProcess? started, string reason) = ChildProcess.Start(role.Name, command, settings, output);
        if (started is not { } child)
        {
            log.LogWarning("{Role}: the system starts no process: {Reason}", role.Name, reason);
            return new ChildEnd(false, ran.Elapsed, CouldNotBeStarted);
        }

        using (child)
        using (stop.Register(child.Release))
        using (immediately.Register(child.Kill))
        {
            bool ready = await IsReadyAsync(child, stop);
            if (ready) MarkRunning(await child.Ready, child.Id);
            if (ready) await KillIfHungAsync(child, stop);
            int status = await EndAsync(child, stop);
            return new ChildEnd(ready, ran.Elapsed, status);
        }
    }

    private async Task<bool> IsReadyAsync(ChildProcess child, CancellationToken stop)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(stop);
        await Task.WhenAny(child.Ready, child.Ended, Task.Delay(StartTimeout, waiting.Token));
        await waiting.CancelAsync();
        if (child.Ready.IsCompleted) return true;
        if (!child.Ended.IsCompleted && !stop.IsCancellationRequested)
        {
            log.LogWarning(
                "{Role} (process {Id}) is not ready after {Max} s: killed",
                role.Name, child.Id, StartTimeout.TotalSeconds);
            child.Kill();
        }

        return false;
    }

    // Until it ends, is to stop, or hangs.
    private async Task KillIfHungAsync(ChildProcess child, CancellationToken stop)
    {
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var monitor = new LivenessMonitor(role.Name, role.Probe, Time, log);
        Task<bool> hung = monitor.IsHungAsync(
            await child.Ready, child.Id, child.State, child.Resume, watching.Token);
        await Task.WhenAny(child.Ended, hung);
        await watching.CancelAsync();
        if (!await hung) return;
        log.LogError("{Role} (process {Id}) hangs: killed", role.Name, child.Id);
        child.Kill();
    }

    private async Task<int> EndAsync(ChildProcess child, CancellationToken stop)
    {
        var stopping = new TaskCompletionSource();
        using CancellationTokenRegistration registration = stop.Register(stopping.SetResult);
        await Task.WhenAny(child.Ended, stopping.Task);
        if (stopping.Task.IsCompleted) log.LogDebug("{Role} (process {Id}) is stopping", role.Name, child.Id);
        using var timeout = new CancellationTokenSource();
        await Task.WhenAny(child.Ended, Task.Delay(StopTimeout, timeout.Token));
        await timeout.CancelAsync();
        if (!child.Ended.IsCompleted)
        {
            log.LogWarning(
                "{Role} (process {Id}) did not stop in {Max} s: killed",
                role.Name, child.Id, StopTimeout.TotalSeconds);
            child.Kill();
        }

        return await child.Ended;
    }

    private void MarkRunning(Address address, int id)
    {
        bool first = _firstReady.TrySetResult(address);
        log.Log(
            first ? LogLevel.Debug : LogLevel.Information,
            "{Role} (process {Id}) is ready on {Address}", role.Name, id, address);
    }

    // The status by which a shell reports that it could not run a command.
    private const int CouldNotBeStarted = 126;
}
