// The state table on top of ChildSupervisor.cs, with a shell in the role of the child.

using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Supervision;
using Letterbox.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Supervision;

public sealed class ChildSupervisorTests : IDisposable
{
    // Ready, and not listening for the end of its leash.
    private const string Deaf = "echo store ready on 127.0.0.1:41; exec sleep 1000";

    private static readonly Role s_role =
        new("store", Setting.Socket, static (_, _) => Task.FromResult<bool?>(true));

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("letterbox-");
    private readonly StringWriter _output = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _immediately = new();

    public void Dispose()
    {
        _folder.Delete(recursive: true);
        _output.Dispose();
        _stop.Dispose();
        _immediately.Dispose();
    }

    [Fact]
    public async Task A_child_is_running_until_its_leash_is_let_go()
    {
        ChildSupervisor keeper = Keep("echo store ready on 127.0.0.1:41; cat; echo drained");
        Task<int> end = Run(keeper);
        Assert.Equal(new Address("127.0.0.1", 41), await keeper.FirstReady);
        Assert.False(end.IsCompleted);
        await _stop.CancelAsync();
        Assert.Equal(ExitStatus.Ok, await end);
        Assert.Equal("drained\n", _output.ToString());
    }

    [Theory]
    [InlineData("exit 1", ExitStatus.Failed)]
    [InlineData("exit 2", ExitStatus.Usage)]
    [InlineData("echo store ready on nowhere; exit 0", ExitStatus.Failed)]
    [InlineData("echo web ready on 127.0.0.1:1; exit 0", ExitStatus.Failed)]
    public async Task A_child_that_ends_before_it_is_ready_is_given_up(string script, int status)
    {
        ChildSupervisor keeper = Keep(script);
        Assert.Equal(status, await Run(keeper));
        Assert.False(keeper.FirstReady.IsCompleted);
    }

    [Fact]
    public async Task What_cannot_be_executed_is_given_up()
    {
        var keeper = new ChildSupervisor(s_role, ["/no/such/program"], _output, NullLogger.Instance);
        Assert.Equal(ExitStatus.Failed, await Run(keeper));
    }

    [Fact]
    public async Task A_child_that_dies_comes_back_at_the_address_it_had_and_its_lines_are_handed_on()
    {
        string again = Path.Combine(_folder.FullName, "again");
        ChildSupervisor keeper = Keep(
            $"""
            if [ -e {again} ]; then
              echo "again on $LETTERBOX_SOCKET"
              echo store ready on $LETTERBOX_SOCKET
              echo > {again}.running
              exec cat
            fi
            touch {again}
            mkfifo {again}.running
            echo store ready on 127.0.0.1:41
            kill -9 $$
            """);
        Task<int> end = Run(keeper);
        await keeper.FirstReady;
        // Reading a pipe with a name waits for its writer: the second child.
        await ReadWhenThereAsync($"{again}.running", end);
        await _stop.CancelAsync();
        Assert.Equal(ExitStatus.Ok, await end);
        Assert.Contains("again on 127.0.0.1:41\n", _output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("ready on", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_child_that_hangs_at_its_start_is_killed_and_started_again()
    {
        string again = Path.Combine(_folder.FullName, "again");
        ChildSupervisor keeper = Keep(
            $"""
            if [ -e {again} ]; then echo store ready on 127.0.0.1:41; exec cat; fi
            touch {again}
            exec sleep 1000
            """,
            startMax: TimeSpan.FromMilliseconds(300));
        Task<int> end = Run(keeper);
        Assert.Equal(new Address("127.0.0.1", 41), await keeper.FirstReady);
        await _stop.CancelAsync();
        Assert.Equal(ExitStatus.Ok, await end);
    }

    [Fact]
    public async Task A_child_that_hangs_is_killed_and_started_again()
    {
        string again = Path.Combine(_folder.FullName, "again"), second = again + " and again";
        string script =
            $"""
            if [ -e {again} ]; then touch '{second}'; fi
            touch {again}
            {Deaf}
            """;
        var time = new ManualTime();
        var log = new RecordingLog();
        var role = s_role with { Probe = static (_, _) => Task.FromResult<bool?>(false) };
        var keeper = new ChildSupervisor(role, ["/bin/sh", "-c", script], _output, log) { Time = time };
        Task<int> end = Run(keeper);
        while (!File.Exists(second))
        {
            Assert.False(end.IsCompleted);
            time.Advance(LivenessMonitor.ProbeInterval);
            await Task.Yield();
        }

        Assert.Contains(log.Lines, static line => line.EndsWith("hangs: killed", StringComparison.Ordinal));
        await _stop.CancelAsync();
        await _immediately.CancelAsync();
        Assert.Equal(ExitStatus.Ok, await end);
    }

    [Fact]
    public async Task A_child_that_does_not_stop_is_killed()
    {
        ChildSupervisor keeper = Keep(Deaf, stopMax: TimeSpan.FromMilliseconds(50));
        Task<int> end = Run(keeper);
        await keeper.FirstReady;
        await _stop.CancelAsync();
        Assert.Equal(ExitStatus.Ok, await end);
    }

    [Fact]
    public async Task An_impatient_stop_kills_at_once()
    {
        ChildSupervisor keeper = Keep(Deaf, stopMax: TimeSpan.FromDays(1));
        Task<int> end = Run(keeper);
        await keeper.FirstReady;
        await _stop.CancelAsync();
        Assert.False(end.IsCompleted);
        await _immediately.CancelAsync();
        Assert.Equal(ExitStatus.Ok, await end);
    }

    private ChildSupervisor Keep(string script, TimeSpan? startMax = null, TimeSpan? stopMax = null)
    {
        TimeSpan ever = TimeSpan.FromDays(1);
        return new ChildSupervisor(s_role, ["/bin/sh", "-c", script], _output, NullLogger.Instance)
        {
            StartTimeout = startMax ?? ever,
            StopTimeout = stopMax ?? ever,
        };
    }

    private Task<int> Run(ChildSupervisor keeper)
    {
        var variables = new Dictionary<string, string?> { [Setting.Socket.Variable] = "127.0.0.1:0" };
        return keeper.RunAsync(variables, _stop.Token, _immediately.Token);
    }

    private static async Task ReadWhenThereAsync(string pipe, Task<int> end)
    {
        var read = new TaskCompletionSource();
        new Thread(() =>
        {
            using var reader = new StreamReader(pipe);
            reader.ReadLine();
            read.SetResult();
        })
        { IsBackground = true }.Start();
        Assert.Same(read.Task, await Task.WhenAny(read.Task, end));
    }
}
