// One program, two processes: started in order, kept running, stopped in order, and nobody left behind.

using System.Net.Sockets;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class SupervisorTests
{
    private static readonly Dictionary<string, string> s_telling = new() { ["LETTERBOX_LOG"] = "debug" };

    [Fact]
    public async Task The_http_server_and_the_socket_server_are_different_processes()
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        Assert.Equal(2, letterbox.Children.Length);
        Assert.NotEqual(letterbox.Child("web"), letterbox.Child("store"));
        await AcceptsAsync(letterbox.Http);
        await AcceptsAsync(letterbox.Socket);
        string journal = Path.Combine(letterbox.Data, "letterbox.db");
        Assert.Contains($"Messages are stored in {journal}", letterbox.Output.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sigterm_stops_web_then_store_and_all_is_well()
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(variables: s_telling);
        letterbox.Signal(LetterboxProcess.SigTerm);
        await StopsInOrderAsync(letterbox);
    }

    [Theory]
    [InlineData(LetterboxProcess.SigInt)]
    [InlineData(LetterboxProcess.SigHup)]
    public async Task What_a_terminal_sends_to_everyone_stops_web_then_store(int signal)
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(variables: s_telling);
        foreach (int child in letterbox.Children) LetterboxProcess.Signal(child, signal);
        letterbox.Signal(signal);
        await StopsInOrderAsync(letterbox);
    }

    [Fact]
    public async Task A_second_ctrl_c_ends_everything_at_once()
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(variables: s_telling);
        // Stopped, a child cannot follow an order; only a kill ends it.
        const int sigStop = 19;
        foreach (int child in letterbox.Children) LetterboxProcess.Signal(child, sigStop);
        letterbox.Signal(LetterboxProcess.SigTerm);
        await letterbox.Error.SeeAsync("stopping");
        letterbox.Signal(LetterboxProcess.SigInt);
        Assert.Equal(128 + LetterboxProcess.SigInt, await letterbox.EndedAsync());
    }

    [Theory]
    [InlineData("web", LetterboxProcess.SigKill)]
    [InlineData("store", LetterboxProcess.SigKill)]
    [InlineData("web", LetterboxProcess.SigTerm)]
    public async Task A_child_that_dies_is_back_at_the_same_address(string role, int signal)
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        Address at = role == "web" ? letterbox.Http : letterbox.Socket;
        int before = letterbox.Child(role);
        LetterboxProcess.Signal(before, signal);
        await letterbox.Error.SeeAsync($"{role} \\(process [0-9]+\\) is ready on {at}$");
        Assert.NotEqual(before, letterbox.Child(role));
        await AcceptsAsync(at);
        letterbox.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
    }

    [Fact]
    public async Task A_supervisor_that_is_killed_leaves_no_orphans()
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        letterbox.Signal(LetterboxProcess.SigKill);
        // Returns when the last process that holds standard error has ended.
        Assert.Equal(128 + LetterboxProcess.SigKill, await letterbox.EndedAsync());
    }

    [Theory]
    [InlineData("--http", "web")]
    [InlineData("--socket", "store")]
    public async Task A_taken_port_is_named_and_nothing_stays(string option, string role)
    {
        using Socket taken = Loopback.Listen();
        Finished end = await LetterboxProcess.RunAsync([option, $"{taken.LocalEndPoint}"]);
        Assert.Equal(ExitStatus.Failed, end.Status);
        Assert.Contains($"{taken.LocalEndPoint}", end.Error, StringComparison.Ordinal);
        Assert.Contains($"{role} cannot start", end.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", end.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("open at", end.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_password_of_the_database_is_known_to_the_store_process_only()
    {
        const string uri = "mongodb://user:secret@127.0.0.1:1/";
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(
            variables: new() { ["LETTERBOX_MONGODB_URI"] = uri });
        int web = letterbox.Child("web"), store = letterbox.Child("store");
        Assert.Contains($"LETTERBOX_MONGODB_URI={uri}", LetterboxProcess.Variables(store));
        string known = string.Concat(LetterboxProcess.Variables(web));
        Assert.DoesNotContain("secret", known, StringComparison.Ordinal);
        Assert.Equal(["web"], LetterboxProcess.Arguments(web)[1..]);
        Assert.Equal(["store"], LetterboxProcess.Arguments(store)[1..]);
        letterbox.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
        string said = letterbox.Output.Text + letterbox.Error.Text;
        Assert.Contains("Messages go to mongodb://127.0.0.1:1 through", said, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", said, StringComparison.Ordinal);
    }

    private static async Task StopsInOrderAsync(LetterboxProcess letterbox)
    {
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
        await letterbox.Error.SeeAsync("web is stopped");
        await letterbox.Error.SeeAsync("store is stopped");
        Assert.DoesNotContain("ended by", letterbox.Error.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("killed", letterbox.Error.Text, StringComparison.Ordinal);
    }

    private static async Task AcceptsAsync(Address address)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(address.Host, address.Port);
    }
}
