// The program on a terminal: what it prints there, and what the keys of the terminal do.

using System.Net;
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
    public async Task Both_processes_run_on_in_the_background_after_a_stop()
    {
        await using LetterboxProcess shell = await LetterboxProcess.StartAsync(under: s_shell);
        await shell.TypeAsync("\u001a");
        await shell.Output.SeeAsync("Stopped");
        await shell.TypeAsync("bg; echo continued\n\u0004");
        await shell.Output.SeeAsync("continued$");
        using var client = new HttpClient();
        using HttpResponseMessage page = await client.GetAsync(new Uri($"http://{shell.Http}/readyz"));
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
    }
}
