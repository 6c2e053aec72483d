// Somebody starts the letterbox again while the store of before is still on its way out: the journal is in
// use for a moment longer, and that is no reason to give up.

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
        Task<LetterboxProcess> starting = LetterboxProcess.StartAsync(
            ["store"], data: before.Data, under: loggingToFile);
        await Eventually.IsAsync(() => File.Exists(log)
            && File.ReadAllText(log).Contains("waiting for the other process", StringComparison.Ordinal));
        Assert.False(starting.IsCompleted);
        before.Signal(LetterboxProcess.SigTerm);
        await before.EndedAsync();
        await using LetterboxProcess after = await starting;
        Assert.NotEqual(0, after.Socket.Port);
    }
}
