// A role alone, and a role on its leash.

using Letterbox.Hosting;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class RoleTests
{
    [Theory]
    [InlineData("web", LetterboxProcess.SigTerm)]
    [InlineData("web", LetterboxProcess.SigInt)]
    [InlineData("store", LetterboxProcess.SigTerm)]
    [InlineData("store", LetterboxProcess.SigInt)]
    public async Task A_role_runs_alone_and_stops_when_told(string role, int signal)
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync([role]);
        Assert.Empty(letterbox.Children);
        letterbox.Signal(signal);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
    }

    [Theory]
    [InlineData("web")]
    [InlineData("store")]
    public async Task A_role_on_the_leash_stops_with_the_leash_not_with_the_terminal(string role)
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(
            [role], new() { [StopSignal.SupervisedVariable] = "1" });
        letterbox.Signal(LetterboxProcess.SigInt);
        letterbox.Signal(LetterboxProcess.SigHup);
        letterbox.LetLeashGo();
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
    }

    [Theory]
    [InlineData("web")]
    [InlineData("store")]
    public async Task A_role_alone_does_not_care_for_its_standard_input(string role)
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync([role]);
        letterbox.LetLeashGo();
        letterbox.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
    }

    [Theory]
    [InlineData("web", "LETTERBOX_HTTP")]
    [InlineData("store", "LETTERBOX_SOCKET")]
    public async Task An_address_that_is_not_ours_is_named(string role, string variable)
    {
        // TEST-NET-1, RFC 5737: no machine has it.
        Finished end = await LetterboxProcess.RunAsync(
            [role], new() { [variable] = "192.0.2.1:3000", ["LETTERBOX_NETWORK"] = "private" });
        Assert.Equal(ExitStatus.Failed, end.Status);
        Assert.Contains($"{role} cannot listen on 192.0.2.1:3000", end.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HUP", LetterboxProcess.SigHup)]
    [InlineData("INT", LetterboxProcess.SigInt)]
    public async Task A_signal_that_was_ignored_at_the_start_stays_ignored(string name, int signal)
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(
            under: ["sh", "-c", $"trap '' {name}; exec \"$0\" \"$@\""]);
        letterbox.Signal(signal);
        using var client = new HttpClient();
        Assert.Equal("ok\n", await client.GetStringAsync(new Uri($"http://{letterbox.Http}/healthz")));
        letterbox.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
    }

    [Fact]
    public async Task Killed_processes_leave_nothing_in_the_temporary_folder()
    {
        using var folder = new TempFolder();
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(
            variables: new() { ["TMPDIR"] = folder.Path, ["DOTNET_EnableDiagnostics"] = "" });
        int[] children = [letterbox.Child("web"), letterbox.Child("store")];
        letterbox.Signal(LetterboxProcess.SigKill);
        foreach (int child in children) LetterboxProcess.TrySignal(child, LetterboxProcess.SigKill);
        await letterbox.EndedAsync();
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }
}
