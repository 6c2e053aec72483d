// The memory held for all waiting clients is bounded: beyond, the client that has waited longest is closed.

using System.Text;
using Letterbox.Http;
using Letterbox.Tests.Support;
using static Letterbox.Http.HttpConnection.State;

namespace Letterbox.Tests.Http;

public sealed class MemoryTests : IAsyncDisposable
{
    private const string Part = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab";

    // A client that has sent a part of a request takes 16 KB, one that does not take its answers 64 KB more.
    private readonly EchoHost _host = new(
        limits: new HttpLimits { MemoryMax = 200_000 }, handler: Answer);

    private HttpServer Server => _host.Server;

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Of_many_partial_requests_the_oldest_gets_503_and_the_rest_continue()
    {
        var peers = new List<HttpPeer>();
        for (int i = 1; i <= 13; i++)
        {
            HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
            peers.Add(peer);
            await peer.SendAsync(Part);
            if (i < 13) await Watching.UntilAsync(() => Server.Memory.Bytes == 16_384L * i);
        }

        Assert.Equal(503, (await peers[0].ReadAsync())!.Status);
        foreach (HttpPeer peer in peers[1..])
        {
            await peer.SendAsync("cde");
            Assert.Equal("abcde", (await peer.ReadAsync())!.Text);
            peer.Dispose();
        }

        peers[0].Dispose();
        await Watching.UntilAsync(() => Server.Memory.Bytes == 0);
    }

    [Fact]
    public async Task Of_many_that_do_not_read_the_slowest_ends()
    {
        using NarrowConnection first = await StuckAsync(1);
        long each = Server.Memory.Bytes;
        int fit = (int)(Server.Limits.MemoryMax / each);
        var others = new List<NarrowConnection>();
        for (int i = 0; i < fit; i++) others.Add(await StuckAsync(Math.Min(i + 2, fit)));
        await first.Served;
        Assert.All(others, other => Assert.False(other.Served.IsCompleted));
        foreach (NarrowConnection other in others) other.Dispose();
        await Watching.UntilAsync(() => Server.Memory.Bytes == 0);

        async Task<NarrowConnection> StuckAsync(int stuck)
        {
            string requests = NarrowConnection.Requests(200);
            NarrowConnection client = await NarrowConnection.OpenAsync(Server, requests);
            await Watching.UntilAsync(() => Server.Snapshot().Count(IsStuck) == stuck);
            return client;
        }

        static bool IsStuck(HttpConnection one) => one.Inspect is { State: Responding, Waiting: true };
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(1, 4096)]
    [InlineData(3, 4097)]
    [InlineData(2, 400_000)]
    public async Task Content_that_is_written_while_it_is_sent_arrives_whole(int answers, int length)
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        string request = $"GET /{length} HTTP/1.1\r\nHost: a\r\n\r\n";
        await peer.SendAsync(string.Concat(Enumerable.Repeat(request, answers)));
        byte[] expected = Content(length);
        for (int i = 0; i < answers; i++) Assert.Equal(expected, (await peer.ReadAsync())!.Content);
        await peer.SendAsync($"HEAD /{length} HTTP/1.1\r\nHost: a\r\n\r\n");
        HttpAnswer head = (await peer.ReadAsync(toHead: true))!;
        Assert.Equal([$"{length}"], head.Values("Content-Length"));
        Assert.Equal("hi", (await peer.GetAsync("/hi")).Text);
    }

    private static byte[] Content(int length) =>
        [.. Enumerable.Range(0, length).Select(i => (byte)(i * i >> 3))];

    private static ValueTask<Response> Answer(Request request)
    {
        string path = Encoding.ASCII.GetString(request.Path);
        if (path == "/medium") return new(LargeContent.Medium);
        if (path == "/hi") return new(Response.Create(200, [], "hi"u8.ToArray()));
        if (!int.TryParse(path.AsSpan(1), out int length))
            return new(Response.Create(200, [], request.Content.ToArray()));
        byte[] content = Content(length);
        int at = 0;
        return new(Response.Create(200, [], length, Write, length));

        int Write(Span<byte> buffer)
        {
            ReadOnlySpan<byte> next = content.AsSpan(at, Math.Min(buffer.Length, content.Length - at));
            next.CopyTo(buffer);
            at += next.Length;
            return next.Length;
        }
    }
}
