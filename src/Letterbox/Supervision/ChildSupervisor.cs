// Keeps one role running: starts it, restarts it when it ends, stops it on request.
//
//   state      event                                 next
//   Starting   it is ready                           Running
//              it ends                               Waiting, or given up (RestartPolicy)
//              30 s pass                             killed: it ends
//   Running    it ends                               Waiting
//              it hangs (LivenessMonitor)            killed: it ends
//   Waiting    the delay has passed                  Starting, at the same address
//   any        stop                                  Stopping: its standard input is closed
//   Stopping   it ends                               stopped
//              10 s pass, or an immediate stop       killed: it ends

using System.Diagnostics;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Microsoft.Extensions.Logging;

namespace Letterbox.Supervision;

// `Listens` is the setting that holds its address.
internal sealed record Role(string Name, Setting Listens, Probe Probe);

// RunAsync is called once. `output` receives the output of the child.
internal sealed class ChildSupervisor(
    Role role, IReadOnlyList<string> command, TextWriter output, ILogger log)
{
    private readonly RestartPolicy _policy = new();
    private readonly TaskCompletionSource<Address> _firstReady =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(30);

    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(10);

    // For the liveness probes.
    public TimeProvider Time { get; init; } = TimeProvider.System;

    // The address; restarts keep it.
    public Task<Address> FirstReady => _firstReady.Task;

    // Runs the role until it is stopped or given up. `stop` lets the child drain, `immediately` kills it.
    // Returns the exit status.
    public async Task<int> RunAsync(
        IReadOnlyDictionary<string, string?> variables, CancellationToken stop, CancellationToken immediately)
    {
        var settings = new Dictionary<string, string?>(variables);
        while (true)
        {
            // A port that the system has chosen is kept: clients use it already.
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
                "{Role} {End}; restarting in {Delay} ms", role.Name, end, delay.TotalMilliseconds);
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
            log.LogWarning("{Role}: the system cannot start a process: {Reason}", role.Name, reason);
            return new ChildEnd(false, ran.Elapsed, CannotExecute);
        }

        using (child)
        using (stop.Register(child.Stop))
        using (immediately.Register(child.Kill))
        {
            bool ready = await IsReadyAsync(child, stop);
            if (ready)
            {
                MarkRunning(await child.Ready, child.Id);
                await KillIfHungAsync(child, stop);
            }

            int status = await EndAsync(child, stop);
            return new ChildEnd(ready, ran.Elapsed, status);
        }
    }

    private async Task<bool> IsReadyAsync(ChildProcess child, CancellationToken stop)
    {
        await WaitAsync(Task.WhenAny(child.Ready, child.Ended), StartTimeout, stop);
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

    // Returns when the child ends or must stop, or when it was killed because it hangs.
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
        await WaitAsync(child.Ended, Timeout.InfiniteTimeSpan, stop);
        if (!child.Ended.IsCompleted) log.LogDebug("{Role} (process {Id}) is stopping", role.Name, child.Id);
        await WaitAsync(child.Ended, StopTimeout, CancellationToken.None);
        if (!child.Ended.IsCompleted)
        {
            log.LogWarning(
                "{Role} (process {Id}) did not stop in {Max} s: killed",
                role.Name, child.Id, StopTimeout.TotalSeconds);
            child.Kill();
        }

        return await child.Ended;
    }

    private static async Task WaitAsync(Task task, TimeSpan timeout, CancellationToken stop)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(stop);
        await Task.WhenAny(task, Task.Delay(timeout, waiting.Token));
        await waiting.CancelAsync();
    }

    private void MarkRunning(Address address, int id)
    {
        bool first = _firstReady.TrySetResult(address);
        log.Log(
            first ? LogLevel.Debug : LogLevel.Information,
            "{Role} (process {Id}) is ready on {Address}", role.Name, id, address);
    }

    // The status with which a shell reports that it could not execute a command.
    private const int CannotExecute = 126;
}
