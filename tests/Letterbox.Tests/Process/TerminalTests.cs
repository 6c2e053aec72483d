// The program on a terminal: what it prints there, and what the keys of the terminal do.

using System.Net;
using System.Text.RegularExpressions;
using Letterbox.Hosting;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class TerminalTests
{
    // A shell with job control, so that Ctrl-Z and `bg` are what they are for a person.
    private static readonly string[] s_shell =
    [
        .. Terminal.Columns(80), "bash", "--norc", "--noprofile", "-ic",
        "set -m; \"$0\" \"$@\"; eval \"$(cat)\"",
    ];

    [Fact]
    public async Task The_start_is_four_lines_and_the_stop_is_one()
    {
        await using LetterboxProcess letterbox =
            await LetterboxProcess.StartAsync(under: Terminal.Columns(80));
        await letterbox.Output.SeeAsync("^Ctrl-C stops it$");
        string text = letterbox.Output.Text;
        // The runtime sets the mode of the keys first.
        Assert.InRange(text.IndexOf("The", StringComparison.Ordinal), 0, 10);
        Assert.EndsWith(
            $"""
            The letterbox is open at http://{letterbox.Http}
            Programs can send messages to {letterbox.Socket}, TCP and UDP
            Messages are stored in {letterbox.Data}/letterbox.db
            Ctrl-C stops it

            """,
            text);
        for (int sent = 0; sent < 2; sent++)
        {
            await LetterboxProcess.RunAsync(
                ["send", "--socket", $"{letterbox.Socket}", "--username", "ann", "--message", "hello"]);
        }

        await letterbox.TypeAsync("\u0003");
        Match stopped = await letterbox.Output.SeeAsync("stopped; .*$");
        Assert.Equal($"stopped; 2 messages taken, all in {letterbox.Data}/letterbox.db", stopped.Value);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
    }

    [Theory]
    [InlineData(false, "^stopped; 1 message taken, all in MongoDB$")]
    [InlineData(true, "^stopped; 1 message taken; in the journal, waiting for MongoDB: 1, in quarantine: 0$")]
    public async Task A_stop_reports_where_the_messages_are(bool isAway, string expected)
    {
        await using var mongo = new ScriptedMongo();
        string uri = isAway ? "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100" : mongo.Uri;
        await using LetterboxProcess store =
            await LetterboxProcess.StartAsync(["store"], new() { ["LETTERBOX_MONGODB_URI"] = uri });
        await LetterboxProcess.RunAsync(
            ["send", "--socket", $"{store.Socket}", "--username", "ann", "--message", "hello"]);
        if (!isAway) await Eventually.IsAsync(() => mongo.Stored("letterbox", "messages").Count == 1);
        store.Signal(LetterboxProcess.SigInt);
        await store.Output.SeeAsync(expected);
        Assert.Equal(ExitStatus.Ok, await store.EndedAsync());
    }

    [Fact]
    public async Task Both_processes_run_on_in_the_background_after_a_stop()
    {
        await using LetterboxProcess shell = await LetterboxProcess.StartAsync(under: s_shell);
        await shell.TypeAsync("\u001a");
        await shell.Output.SeeAsync("Stopped");
        await shell.TypeAsync("bg; echo continued; cat; kill %1; wait\n\u0004");
        await shell.Output.SeeAsync("continued$");
        using var client = new HttpClient();
        using HttpResponseMessage page = await client.GetAsync(new Uri($"http://{shell.Http}/readyz"));
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        await shell.TypeAsync("\u0004");
        await shell.EndedAsync();
    }
}
