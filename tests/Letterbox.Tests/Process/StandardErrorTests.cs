// Standard streams that take nothing, or are closed: they neither delay the processes nor end them.

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

    private const string FullDevice = """
        exec "$@" 2>/dev/full
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
    [InlineData(FullDevice)]
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

    // No ready line can be read, so the addresses are given.
    [Theory]
    [InlineData(">&-")]
    [InlineData(">/dev/full")]
    [InlineData(">&- 2>&-")]
    [InlineData("<&- >&- 2>&-")]
    public async Task Without_standard_streams_messages_are_taken(string streams)
    {
        int http, socket;
        using (var first = Loopback.Listen())
        using (var second = Loopback.Listen())
            (http, socket) = (first.Port(), second.Port());
        await using LetterboxProcess letterbox = LetterboxProcess.Launch(
            [],
            new() { ["LETTERBOX_HTTP"] = $"127.0.0.1:{http}", ["LETTERBOX_SOCKET"] = $"127.0.0.1:{socket}" },
            under: ["sh", "-c", $"exec \"$0\" \"$@\" {streams}"]);
        using var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        await UntilReadyAsync(client, http);
        using var form =
            new FormUrlEncodedContent([new("username", "krabaton"), new("message", "First message")]);
        using HttpResponseMessage answer =
            await client.PostAsync(new Uri($"http://127.0.0.1:{http}/message"), form);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        letterbox.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
        Assert.Equal(["krabaton|First message"], JournalRows.Messages(letterbox.Data));
    }

    private static async Task UntilReadyAsync(HttpClient client, int port)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (true)
        {
            try
            {
                using HttpResponseMessage answer =
                    await client.GetAsync(new Uri($"http://127.0.0.1:{port}/readyz"), deadline.Token);
                if (answer.IsSuccessStatusCode) return;
            }
            catch (HttpRequestException)
            {
                // Not open yet.
            }

            await Task.Delay(20, deadline.Token);
        }
    }
}
