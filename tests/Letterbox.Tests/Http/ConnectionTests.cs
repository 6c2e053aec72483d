// What a connection does besides parsing: order, failing handlers, clients that disconnect, bounds, overload.

using System.Net;
using System.Net.Sockets;
using System.Text;
using Letterbox.Hosting;
using Letterbox.Http;
using Letterbox.Tests.Support;
using static Letterbox.Http.HttpConnection.State;

namespace Letterbox.Tests.Http;

public sealed class ConnectionTests
{
    private static readonly Response s_ok = Response.Create(200, []);

    [Fact]
    public async Task The_states_change_as_in_the_table()
    {
        var release = new TaskCompletionSource();
        await using var host = new EchoHost(handler: async request =>
        {
            await release.Task;
            return s_ok;
        });
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        HttpConnection connection = await host.Server.UntilAsync(Idle);
        Assert.Equal(0, connection.Inspect.Capacity);
        await peer.SendAsync("POST / HTTP/1.1\r\n");
        await host.Server.UntilAsync(ReadingHead);
        await peer.SendAsync("Host: a\r\nContent-Length: 2\r\n\r\n");
        await host.Server.UntilAsync(ReadingContent);
        await peer.SendAsync("ab");
        await host.Server.UntilAsync(static c => c.Inspect is { State: Responding, Waiting: false });
        release.SetResult();
        await host.Server.UntilAsync(Idle);
        Assert.Equal(0, connection.Inspect.Capacity);
        await peer.SendAsync("BAD\r\n");
        await host.Server.UntilAsync(Lingering);
        peer.Dispose();
        await host.Server.UntilEmptyAsync();
        await Watching.UntilAsync(() => connection.Inspect.State == Closed);
    }

    [Theory]
    [InlineData("BAD\r\n")]
    [InlineData("GET / HTTP/1.1\r\n|BAD\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n|no size\r\n")]
    public async Task A_rejection_in_any_state_leads_to_lingering(string text)
    {
        await using var host = new EchoHost();
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        foreach (string part in text.Split('|'))
        {
            await host.Server.UntilAsync(static c => c.Inspect.Waiting);
            await peer.SendAsync(part);
        }

        await host.Server.UntilAsync(Lingering);
        Assert.Equal(400, (await peer.ReadAsync())!.Status);
    }

    [Fact]
    public async Task Answers_keep_the_order_of_their_requests_however_long_each_takes()
    {
        TaskCompletionSource first = new(), second = new();
        await using var host = new EchoHost(handler: async request =>
        {
            byte[] path = request.Path.ToArray();
            if (path.AsSpan().SequenceEqual("/1"u8)) await first.Task;
            if (path.AsSpan().SequenceEqual("/2"u8)) await second.Task;
            return Response.Create(200, [], path);
        });
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        foreach (string path in (string[])["/0", "/1", "/2", "/3"])
            await peer.SendAsync($"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        // A finished response is sent although others are pending.
        Assert.Equal("/0", (await peer.ReadAsync())!.Text);
        second.SetResult();
        first.SetResult();
        foreach (string path in (string[])["/1", "/2", "/3"])
            Assert.Equal(path, (await peer.ReadAsync())!.Text);
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task A_handler_that_throws_fails_only_its_request(bool later)
    {
        await using var host = new EchoHost(handler: request =>
        {
            if (request.Path.SequenceEqual("/"u8)) return EchoHost.Answer(request);
            return later ? ThrowLaterAsync() : throw new InvalidOperationException("at once");
        });
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        await peer.SendAsync("GET /failure HTTP/1.1\r\nHost: a\r\n\r\n");
        HttpAnswer answer = (await peer.ReadAsync())!;
        Assert.Equal((500, later ? "later" : "at once"), (answer.Status, answer.Text));
        await peer.GetAsync();
    }

    [Fact]
    public async Task A_handler_that_has_waited_finds_its_request_empty_and_never_another_one()
    {
        TaskCompletionSource begun = new(), release = new();
        var seen = new TaskCompletionSource<(string, int, int)>();
        await using var host = new EchoHost(handler: async request =>
        {
            if (request.Content.IsEmpty) return s_ok;
            string content = Encoding.ASCII.GetString(request.Content);
            begun.SetResult();
            await release.Task;
            seen.SetResult((content, request.Content.Length, request.FieldCount));
            return LargeContent.Response;
        });
        using (HttpPeer peer = await HttpPeer.ConnectAsync(host.Port))
        {
            await peer.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
            await begun.Task;
            peer.Reset();
        }

        // Other connections reuse the pooled buffers and readers meanwhile.
        for (int i = 0; i < 20; i++)
        {
            using HttpPeer other = await HttpPeer.ConnectAsync(host.Port);
            await other.GetAsync($"/{new string('z', 200)}");
        }

        release.SetResult();
        Assert.Equal(("hello", 0, 0), await seen.Task);
        await host.Server.UntilEmptyAsync();
    }

    [Fact]
    public async Task A_handler_of_a_later_request_that_has_waited_finds_it_empty_too()
    {
        var release = new TaskCompletionSource();
        await using var host = new EchoHost(handler: async request =>
        {
            if (request.Content.IsEmpty) return s_ok;
            await release.Task;
            string left = $"{request.Content.Length} {request.Target.Length} {request.Query.Length}";
            return Response.Create(200, [], Encoding.ASCII.GetBytes(left));
        });
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        const string first = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        const string second = "POST /?q HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
        await peer.SendAsync(first + second);
        Assert.Equal(200, (await peer.ReadAsync())!.Status);
        release.SetResult();
        HttpAnswer answer = (await peer.ReadAsync())!;
        Assert.Equal((200, "0 0 0"), (answer.Status, answer.Text));
    }

    [Fact]
    public async Task A_handler_is_waited_for_although_the_answers_before_its_own_cannot_be_sent()
    {
        TaskCompletionSource begun = new(), release = new();
        var seen = new TaskCompletionSource<string>();
        await using var host = new EchoHost(handler: async request =>
        {
            if (request.Content.IsEmpty) return LargeContent.Medium;
            string content = Encoding.ASCII.GetString(request.Content);
            begun.SetResult();
            await release.Task;
            seen.SetResult(content);
            return s_ok;
        });
        // As many responses as are gathered before a send: more than the kernel takes, so sending waits when
        // the handler begins.
        string requests = NarrowConnection.Requests(8)
            + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
        using NarrowConnection narrow = await NarrowConnection.OpenAsync(host.Server, requests);
        await begun.Task;
        HttpConnection connection = await host.Server.UntilAsync(Responding);
        narrow.Peer.Reset();
        await Watching.UntilAsync(() => connection.Inspect is { Waiting: false } or { State: Closed });
        Assert.False(narrow.Served.IsCompleted);
        release.SetResult();
        Assert.Equal("hello", await seen.Task);
        await narrow.Served;
    }

    [Theory]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhello")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n")]
    public async Task Content_that_is_cut_short_never_reaches_a_handler(string text)
    {
        int handled = 0;
        await using var host = new EchoHost(handler: _ =>
        {
            Interlocked.Increment(ref handled);
            return new(s_ok);
        });
        foreach (bool reset in (bool[])[false, true])
        {
            using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
            await peer.SendAsync(text);
            await host.Server.UntilAsync(ReadingContent);
            if (reset) peer.Reset();
            else peer.HalfClose();
            await host.Server.UntilEmptyAsync();
        }

        Assert.Equal(0, handled);
    }

    [Fact]
    public async Task A_client_that_ends_its_side_after_the_request_still_gets_the_response()
    {
        var release = new TaskCompletionSource();
        await using var host = new EchoHost(handler: async _ =>
        {
            await release.Task;
            return LargeContent.Response;
        });
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        await peer.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        peer.HalfClose();
        release.SetResult();
        Assert.True((await peer.ReadAsync())!.Content.AsSpan().SequenceEqual(LargeContent.Bytes));
        Assert.True(await peer.EndsAsync());
    }

    [Fact]
    public async Task A_rejected_client_that_continues_to_send_still_reads_the_response()
    {
        await using var host = new EchoHost();
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        await peer.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n");
        Assert.True(await peer.SendAsync(new byte[900_000]));
        Assert.Equal(413, (await peer.ReadAsync())!.Status);
        Assert.True(await peer.EndsAsync());
    }

    [Fact]
    public async Task A_100_is_sent_once_however_the_content_arrives()
    {
        await using var host = new EchoHost();
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        await peer.SendAsync(
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        Assert.Equal(100, (await peer.ReadAsync())!.Status);
        for (int i = 0; i < 4; i++)
        {
            int held = host.Server.Snapshot()[0].Inspect.Held;
            await peer.SendAsync("x");
            await host.Server.UntilAsync(ReadingContent, held + 1);
        }

        await peer.SendAsync("x");
        HttpAnswer answer = (await peer.ReadAsync())!;
        Assert.Equal((200, "xxxxx"), (answer.Status, answer.Text));
    }

    [Fact]
    public async Task A_client_that_floods_and_does_not_read_delays_no_other_client()
    {
        await using var host = new EchoHost(handler: static _ => new(LargeContent.Medium));
        using HttpPeer flood = await HttpPeer.ConnectAsync(host.Port, receiveBuffer: 4096);
        Task sending =
            flood.SendAsync(string.Concat(Enumerable.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 100_000)));
        HttpConnection stuck = await host.Server.UntilAsync(Responding);
        using (HttpPeer other = await HttpPeer.ConnectAsync(host.Port)) await other.GetAsync();
        Assert.InRange(stuck.Inspect.Capacity, 1, 16 * 1024);
        flood.Reset();
        await sending;
        await host.Server.UntilEmptyAsync();
    }

    [Theory]
    [InlineData(1, 60_000)] // framing six times the content
    [InlineData(65_536, 1)]
    public async Task A_request_takes_no_more_memory_than_the_bound(int chunk, int chunks)
    {
        int capacity = 0;
        EchoHost? host = null;
        await using EchoHost disposed = host = new EchoHost(handler: request =>
        {
            capacity = Math.Max(capacity, host!.Server.Snapshot().Max(static c => c.Inspect.Capacity));
            return EchoHost.Answer(request);
        });
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        string data = new('x', chunk);
        string body = string.Concat(Enumerable.Repeat($"{chunk:x}\r\n{data}\r\n", chunks)) + "0\r\n\r\n";
        const string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (int i = 0; i < 3; i++) await peer.SendAsync(head + body);
        for (int i = 0; i < 3; i++) Assert.Equal(chunk * chunks, (await peer.ReadAsync())!.Content.Length);
        // The pool rents powers of two.
        Assert.InRange(capacity, 1, 128 * 1024);
        Assert.True(new HttpLimits().RequestBytesMax <= 128 * 1024);
    }

    [Fact]
    public async Task Beyond_the_bound_on_connections_the_one_that_is_idle_for_longest_ends()
    {
        await using var host = new EchoHost(connectionsMax: 2);
        using HttpPeer used = await HttpPeer.ConnectAsync(host.Port);
        using HttpPeer silent = await HttpPeer.ConnectAsync(host.Port);
        await WaitingAsync(host, 2);
        await used.GetAsync();
        await WaitingAsync(host, 2);
        using HttpPeer third = await HttpPeer.ConnectAsync(host.Port);
        await third.GetAsync();
        Assert.True(await silent.EndsAsync());
        await used.GetAsync();
    }

    [Fact]
    public async Task Slow_heads_are_no_way_to_stay_beyond_the_bound()
    {
        await using var host = new EchoHost(connectionsMax: 2);
        HttpPeer[] slow = [await HttpPeer.ConnectAsync(host.Port), await HttpPeer.ConnectAsync(host.Port)];
        foreach (HttpPeer peer in slow) await peer.SendAsync("GET / HTTP/1.1\r\nX");
        await Watching.UntilAsync(() => host.Server.Snapshot().Count(
            static c => c.Inspect is { State: HttpConnection.State.ReadingHead, Waiting: true }) == 2);
        using HttpPeer third = await HttpPeer.ConnectAsync(host.Port);
        await third.GetAsync();
        foreach (HttpPeer peer in slow) peer.Dispose();
    }

    [Fact]
    public async Task While_all_connections_are_at_work_what_is_vital_is_answered_and_the_rest_is_told_so()
    {
        var release = new TaskCompletionSource();
        await using var host = new EchoHost(connectionsMax: 1, handler: async request =>
        {
            bool work = request.Path.SequenceEqual("/work"u8);
            if (work) await release.Task;
            return s_ok;
        });
        using HttpPeer busy = await HttpPeer.ConnectAsync(host.Port);
        await busy.SendAsync("GET /work HTTP/1.1\r\nHost: a\r\n\r\n");
        await host.Server.UntilAsync(static c => c.Inspect.State == HttpConnection.State.Responding);
        // Many more than the reserve has places, most of which say nothing.
        for (int i = 0; i < 3 * ConnectionTable.Reserve; i++) await HttpPeer.ConnectAsync(host.Port);
        using HttpPeer probe = await HttpPeer.ConnectAsync(host.Port);
        Assert.True((await probe.GetAsync("/vital")).SaysClose);
        Assert.True(await probe.EndsAsync());
        using HttpPeer other = await HttpPeer.ConnectAsync(host.Port);
        await other.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        HttpAnswer answer = (await other.ReadAsync())!;
        Assert.Equal((503, true), (answer.Status, answer.SaysClose));
        release.SetResult();
        Assert.Equal(200, (await busy.ReadAsync())!.Status);
    }

    private static Task WaitingAsync(EchoHost host, int count) => Watching.UntilAsync(
        () => host.Server.Snapshot().Count(static c => c.Inspect.Waiting) == count);

    [Theory]
    [InlineData(5)]
    [InlineData(64)]
    public async Task A_413_is_not_lost_however_much_the_client_sends_before_it_reads(int megabytes)
    {
        await using var host = new EchoHost();
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        await peer.SendAsync($"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {megabytes << 20}\r\n\r\n");
        byte[] part = new byte[1 << 20];
        for (int i = 0; i < megabytes; i++) Assert.True(await peer.SendAsync(part));
        Assert.Equal(413, (await peer.ReadAsync())!.Status);
        Assert.True(await peer.EndsAsync());
    }

    [Theory]
    [InlineData("GET", true)]
    [InlineData("HEAD", false)]
    public async Task A_client_that_is_rejected_after_its_request_is_not_reset(string method, bool content)
    {
        using var server = new HttpServer(
            new HttpLimits(), TimeProvider.System, EchoHost.Answer, static (r, _) =>
                Response.Create(Rejections.Of(r).Status, [], new byte[1]), static _ => s_ok);
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        using HttpPeer peer = await HttpPeer.ConnectAsync(((IPEndPoint)listener.LocalEndPoint!).Port);
        await peer.SendAsync($"{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        Socket accepted = await listener.AcceptAsync();
        await Watching.UntilAsync(() => accepted.Available > 0);
        server.RejectOverload(accepted);
        Assert.Equal(503, (await peer.ReadAsync(toHead: !content))!.Status);
        Assert.True(await peer.EndsAsync());
    }

    private static async ValueTask<Response> ThrowLaterAsync()
    {
        await Task.Yield();
        throw new InvalidOperationException("later");
    }
}
