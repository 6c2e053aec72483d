// Standard error that takes nothing, or is closed: it neither holds up the processes nor ends them.

using System.Net;
using Letterbox.Hosting;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class StandardErrorTests
{
    // A pipe with a reader that never reads, and no room left.
    private const string Full = """
        mkfifo "$0" && exec 3<>"$0" || exit 1
        dd if=/dev/zero of="$0" bs=4096 count=1000 oflag=nonblock 2>/dev/null
        exec "$@" 2>&3 3>&-
        """;

    // A pipe that is no longer read.
    private const string Gone = """
        mkfifo "$0" && exec 3<>"$0" 4>"$0" 3<&- || exit 1
        exec "$@" 2>&4 4>&-
        """;

    private const string Closed = """
        exec "$@" 2>&-
        """;

    [Fact]
    public async Task The_processes_share_a_file_and_no_line_is_lost()
    {
        using var folder = new TempFolder();
        string file = folder.File("log");
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(
            variables: new() { ["LETTERBOX_LOG"] = "debug" },
            under: ["sh", "-c", "exec \"$@\" 2>\"$0\"", file]);
        letterbox.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
        string[] lines = await File.ReadAllLinesAsync(file);
        Assert.All(lines, static line => Assert.Matches("^[0-9-]{10} [0-9:.]{12} [a-z]{4} [a-z]+: ", line));
        Assert.Contains(lines, static line => line.Contains("store is stopped", StringComparison.Ordinal));
        foreach (string role in (string[])["store", "link", "letterbox"])
            Assert.Contains(lines, line => line.Contains($" {role}: ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(Full)]
    [InlineData(Gone)]
    [InlineData(Closed)]
    public async Task Messages_are_taken_and_the_stop_is_in_order(string shell)
    {
        using var folder = new TempFolder();
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(
            variables: new() { ["LETTERBOX_LOG"] = "trace" },
            under: ["sh", "-c", shell, folder.File("pipe")]);
        using var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        using var form =
            new FormUrlEncodedContent([new("username", "krabaton"), new("message", "First message")]);
        using HttpResponseMessage answer =
            await client.PostAsync(new Uri($"http://{letterbox.Http}/message"), form);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        letterbox.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
        Assert.Equal(["krabaton|First message"], JournalRows.Messages(letterbox.Data));
    }
}
