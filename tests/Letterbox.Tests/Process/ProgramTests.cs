// The program in each form that it is started in: the supervisor finds itself again, to start its children.

using System.Net;
using Letterbox.Hosting;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class ProgramTests
{
    [Fact]
    public Task Built_as_dotnet_run_starts_it() => LeaveAMessageAsync(LetterboxProcess.Built);

    [Fact]
    public Task By_the_dotnet_host() => LeaveAMessageAsync(
        LetterboxProcess.Built + ".dll", Path.Combine(LetterboxProcess.DotnetRoot, "dotnet"), "exec");

    [Fact]
    public async Task By_a_link_from_elsewhere()
    {
        using var folder = new TempFolder();
        File.CreateSymbolicLink(folder.File("letterbox"), LetterboxProcess.Executable);
        await LeaveAMessageAsync(folder.File("letterbox"));
    }

    private static async Task LeaveAMessageAsync(string program, params string[] under)
    {
        await using LetterboxProcess letterbox =
            await LetterboxProcess.StartAsync(under: under, program: program);
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
