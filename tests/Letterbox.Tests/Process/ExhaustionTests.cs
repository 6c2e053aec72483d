// Strangers who take what there is a limited number of: connections and descriptors.

using System.Net;
using System.Net.Sockets;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Tests.Http;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class ExhaustionTests : IDisposable
{
    private readonly List<Socket> _silent = [];
    private readonly HttpClient _client = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseProxy = false,
        PooledConnectionLifetime = TimeSpan.Zero, // each request over a connection of its own
    });

    public void Dispose()
    {
        foreach (Socket socket in _silent) socket.Dispose();
        _client.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Ten_thousand_connections_that_say_nothing_keep_nobody_out(bool http)
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        for (int i = 0; i < 11; i++)
        {
            await ConnectAsync(http ? letterbox.Http : letterbox.Socket, 1_000);
            await AssertServesAsync(letterbox);
        }
    }

    [Fact]
    public async Task With_few_descriptors_everything_works_during_a_flood_and_after_it()
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(
            under: ["bash", "-c", "ulimit -n 1024; exec \"$@\"", "bash"]);
        (int, int) children = (letterbox.Child("web"), letterbox.Child("store"));
        // Nothing has been asked for before: what needs a descriptor the first time needs it now.
        await ConnectAsync(letterbox.Http, 2_000);
        await ConnectAsync(letterbox.Socket, 2_000);
        await AssertServesAsync(letterbox);
        foreach (Socket socket in _silent) socket.Dispose();
        await AssertServesAsync(letterbox);
        Assert.Equal(children, (letterbox.Child("web"), letterbox.Child("store")));
        Assert.Contains(
            "at most 768 connections instead of 10000", letterbox.Error.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("web")]
    [InlineData("store")]
    public async Task Too_few_descriptors_are_named_as_the_cause(string role)
    {
        using var folder = new TempFolder();
        await using LetterboxProcess refused = LetterboxProcess.Launch(
            [role], null, folder.Path, ["bash", "-c", "ulimit -n 200; exec \"$@\"", "bash"]);
        Assert.Equal(ExitStatus.Failed, await refused.EndedAsync());
        Assert.Contains(
            $"{role} cannot start: no more than 200 files and sockets may be open", refused.Error.Text,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_needs_a_descriptor_the_first_time_has_had_it_when_there_are_none_left()
    {
        await using LetterboxProcess letterbox =
            await LetterboxProcess.StartAsync(variables: new() { ["LETTERBOX_LOG"] = "debug" });
        await letterbox.Error.SeeAsync("connected to the store");
        using HttpPeer peer = await HttpPeer.ConnectAsync(letterbox.Http.Port);
        await peer.GetAsync("/healthz");
        await LimitAsync(letterbox, "3:");
        Assert.Equal(303, await PostAsync(peer));
        await LimitAsync(letterbox, "1000:");
        await AssertServesAsync(letterbox);
        Assert.Equal(303, await PostAsync(peer));
    }

    private static async Task<int> PostAsync(HttpPeer peer)
    {
        await peer.SendAsync(
            "POST /message HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            + "Content-Length: 20\r\n\r\nusername=a&message=b");
        return (await peer.ReadAsync())!.Status;
    }

    private static async Task LimitAsync(LetterboxProcess letterbox, string limit)
    {
        foreach (string role in (string[])["web", "store"])
        {
            using var limiting = System.Diagnostics.Process.Start(
                "prlimit", [$"--pid={letterbox.Child(role)}", $"--nofile={limit}"]);
            await limiting.WaitForExitAsync();
            Assert.Equal(0, limiting.ExitCode);
        }
    }

    private async Task ConnectAsync(Address to, int count)
    {
        for (int i = 0; i < count; i++)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            _silent.Add(socket);
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, to.Port));
        }
    }

    private async Task AssertServesAsync(LetterboxProcess letterbox)
    {
        var root = new Uri($"http://127.0.0.1:{letterbox.Http.Port}");
        foreach (string page in (string[])["/healthz", "/readyz", "/", "/style.css", "/message", "/logo.png"])
        {
            using HttpResponseMessage answer = await _client.GetAsync(new Uri(root, page));
            Assert.Equal((page, HttpStatusCode.OK), (page, answer.StatusCode));
        }

        var fields = new Dictionary<string, string> { ["username"] = "a", ["message"] = "b" };
        using var form = new FormUrlEncodedContent(fields);
        using HttpResponseMessage stored = await _client.PostAsync(new Uri(root, "/message"), form);
        Assert.Equal(HttpStatusCode.SeeOther, stored.StatusCode);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(root, "/message"));
        request.Content = new StringContent(
            "{\"username\":\"a\",\"message\":\"b\"}", null, "application/json");
        request.Headers.Accept.ParseAdd("application/json");
        using HttpResponseMessage also = await _client.SendAsync(request);
        Assert.Equal(HttpStatusCode.Created, also.StatusCode);
    }
}
