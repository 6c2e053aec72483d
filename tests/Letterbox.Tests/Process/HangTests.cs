// A child that does not serve though it lives, and what a dead supervisor leaves behind.

using System.Globalization;
using System.Net.Sockets;
using Letterbox.Hosting;
using Letterbox.Tests.Support;
using Diagnostics = System.Diagnostics;

namespace Letterbox.Tests.Process;

public sealed class HangTests
{
    private const int SigStop = 19;

    [Theory]
    [InlineData("web")]
    [InlineData("store")]
    public async Task A_child_that_accepts_no_more_is_restarted(string role)
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        int before = letterbox.Child(role);
        // Connections stay in the kernel's queue, and nothing else of the process stops.
        using var tracer = Diagnostics.Process.Start("strace", [
            "--quiet=all", "-f", "-o", "/dev/null", "-e", "trace=accept4",
            "-e", "inject=accept4:error=EAGAIN", "-p", $"{before}"]);
        await letterbox.Error.SeeAsync($"{role} \\(process {before}\\) hangs: killed");
        await letterbox.Error.SeeAsync($"{role} .* is ready on");
        Assert.NotEqual(before, letterbox.Child(role));
        await AnswersAsync(letterbox, role);
    }

    [Theory]
    [InlineData("web")]
    [InlineData("store")]
    public async Task A_child_that_a_signal_stopped_is_continued_and_stays(string role)
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        int child = letterbox.Child(role);
        LetterboxProcess.Signal(child, SigStop);
        await letterbox.Error.SeeAsync($"{role} \\(process {child}\\) was stopped");
        await AnswersAsync(letterbox, role);
        Assert.Equal(child, letterbox.Child(role));
    }

    [Fact]
    public async Task A_stopped_child_does_not_outlive_its_supervisor()
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        foreach (int child in letterbox.Children) LetterboxProcess.Signal(child, SigStop);
        letterbox.Signal(LetterboxProcess.SigKill);
        // Returns when the last process that holds standard error has ended.
        Assert.Equal(128 + LetterboxProcess.SigKill, await letterbox.EndedAsync());
    }

    [Theory]
    [InlineData("web", "LETTERBOX_HTTP")]
    [InlineData("store", "LETTERBOX_SOCKET")]
    public async Task A_taken_port_is_waited_for(string role, string variable)
    {
        using Socket taken = Loopback.Listen();
        string address = string.Create(CultureInfo.InvariantCulture, $"{taken.LocalEndPoint}");
        await using LetterboxProcess process = LetterboxProcess.Launch(
            [role], new() { [variable] = address });
        await process.Error.SeeAsync($"{address}: .*in use; waiting");
        taken.Dispose();
        await process.Output.SeeAsync($"^{role} ready on {address}$");
    }

    [Fact]
    public async Task A_stop_while_a_port_is_waited_for_is_a_stop_in_good_order()
    {
        using Socket taken = Loopback.Listen();
        await using LetterboxProcess process = LetterboxProcess.Launch(
            ["web"], new() { ["LETTERBOX_HTTP"] = $"{taken.LocalEndPoint}" });
        await process.Error.SeeAsync("in use; waiting");
        process.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await process.EndedAsync());
    }

    private static async Task AnswersAsync(LetterboxProcess letterbox, string role) => Assert.True(
        role == "web"
            ? await Liveness.AskAsync(letterbox.Http, Liveness.HttpRequest, null, default)
            : await Liveness.AskAsync(letterbox.Socket, Liveness.StoreRequest, null, default));
}
