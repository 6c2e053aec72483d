// Somebody starts the letterbox again while the store of before is still on its way out: the journal is in
// use for a moment longer, and that is no reason to give up.

using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class RestartTests
{
    [Fact]
    public async Task A_store_waits_for_the_end_of_the_one_that_has_the_journal()
    {
        using var folder = new TempFolder();
        string log = folder.File("log");
        string[] loggingToFile = ["sh", "-c", $"exec \"$0\" \"$@\" 2>{log}"];
        await using LetterboxProcess before = await LetterboxProcess.StartAsync(["store"]);
        // An owner that answers would be a reason not to start.
        before.Signal(LetterboxProcess.SigStop);
        Task<LetterboxProcess> starting = LetterboxProcess.StartAsync(
            ["store"], data: before.Data, under: loggingToFile);
        await Eventually.IsAsync(() => File.Exists(log)
            && File.ReadAllText(log).Contains("waiting for the other process", StringComparison.Ordinal));
        Assert.False(starting.IsCompleted);
        before.Signal(LetterboxProcess.SigTerm);
        before.Signal(LetterboxProcess.SigCont);
        await before.EndedAsync();
        await using LetterboxProcess after = await starting;
        Assert.NotEqual(0, after.Socket.Port);
    }

    [Theory]
    [InlineData]
    [InlineData("store")]
    public async Task A_second_start_on_a_folder_that_is_served_is_rejected(params string[] verb)
    {
        await using LetterboxProcess first = await LetterboxProcess.StartAsync();
        Finished second = await LetterboxProcess.RunAsync(verb, data: first.Data);
        Assert.Equal(ExitStatus.Failed, second.Status);
        Assert.Contains("is in use: another store process holds", second.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("waiting", second.Error, StringComparison.Ordinal);
        Assert.Empty(second.Output);
    }

    [Theory]
    [InlineData("web", "--http")]
    [InlineData("store", "--socket")]
    public async Task A_port_that_is_served_is_rejected_with_what_to_do(string role, string option)
    {
        await using LetterboxProcess first = await LetterboxProcess.StartAsync();
        Address taken = role == "web" ? first.Http : first.Socket;
        Finished second = await LetterboxProcess.RunAsync([role, option, $"{taken}"]);
        Assert.Equal(ExitStatus.Failed, second.Status);
        Assert.Contains(
            $"{role} cannot listen on {taken}: Address already in use; choose another port with {option} "
            + $"{taken.WithPort(taken.Port + 1)} or LETTERBOX_",
            second.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("waiting", second.Error, StringComparison.Ordinal);
    }
}
