// Every timeout, just before and just after its deadline, on a manual clock. Deadlines are checked by the
// sweep, once a second of that clock; each test first waits until the connection waits, so that the clock
// starts when the timeout does.

using Letterbox.Http;
using Letterbox.Tests.Support;
using static Letterbox.Http.HttpConnection.State;

namespace Letterbox.Tests.Http;

public sealed class TimeoutTests : IAsyncDisposable
{
    private static readonly HttpLimits s_limits = new();
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);
    private readonly ManualTime _time = new();
    private readonly EchoHost _host;

    public TimeoutTests() => _host = new EchoHost(time: _time, handler: Answer);

    private HttpServer Server => _host.Server;

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task An_idle_connection_is_kept_until_just_before_its_time()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        await peer.GetAsync();
        await Server.UntilAsync(Idle);
        _time.Advance(s_limits.IdleTimeout - s_second);
        await peer.GetAsync();
        await Server.UntilAsync(Idle);
        _time.Advance(s_limits.IdleTimeout - s_second);
        await peer.GetAsync();
    }

    [Fact]
    public async Task A_first_byte_may_come_until_just_before_the_time_of_a_head()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        await Server.UntilAsync(Idle);
        _time.Advance(s_limits.HeadTimeout - s_second);
        await peer.GetAsync();
    }

    [Fact]
    public async Task A_connection_without_any_byte_has_only_the_time_of_a_head()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        await Server.UntilAsync(Idle);
        _time.Advance(s_limits.HeadTimeout);
        Assert.True(await peer.EndsAsync());
        await Server.UntilEmptyAsync();
    }

    [Fact]
    public async Task An_idle_connection_is_closed_silently()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        await peer.GetAsync();
        await Server.UntilAsync(Idle);
        _time.Advance(s_limits.IdleTimeout);
        Assert.True(await peer.EndsAsync());
        await Server.UntilEmptyAsync();
    }

    [Fact]
    public async Task A_head_may_take_until_just_before_its_time()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        await peer.SendAsync("GET / HTTP/1.1\r\nHo");
        await Server.UntilAsync(ReadingHead, held: 18);
        _time.Advance(s_limits.HeadTimeout - s_second);
        await peer.SendAsync("st: a\r\n\r\n");
        Assert.Equal(200, (await peer.ReadAsync())!.Status);
    }

    [Fact]
    public async Task A_head_that_takes_longer_is_answered_408()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        await peer.SendAsync("GET / HTTP/1.1\r\nHo");
        await Server.UntilAsync(ReadingHead, held: 18);
        _time.Advance(s_limits.HeadTimeout);
        await Expect408Async(peer);
    }

    [Theory]
    [InlineData("HEAD /")]
    [InlineData("HEAD / HTTP/1.1\r\nHost: a\r\n")]
    [InlineData("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")]
    public async Task The_408_to_HEAD_has_no_content(string part)
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        await peer.SendAsync(part);
        await Server.UntilAsync(c => c.Inspect.Waiting && c.Inspect.Held == part.Length);
        _time.Advance(s_limits.HeadTimeout);
        Assert.Equal(408, (await peer.ReadAsync(toHead: true))!.Status);
        Assert.True(await peer.EndsAsync());
    }

    [Fact]
    public async Task Single_bytes_do_not_prolong_a_head()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        for (int i = 0; i < s_limits.HeadTimeout.TotalSeconds; i++)
        {
            await peer.SendAsync("G");
            await Server.UntilAsync(ReadingHead, held: i + 1);
            _time.Advance(s_second);
        }

        await Expect408Async(peer);
    }

    [Fact]
    public async Task Content_may_come_as_slowly_as_the_limit_says()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        (int held, double timeout) = await BeginContentAsync(peer);
        _time.Advance(TimeSpan.FromSeconds(Math.Ceiling(timeout) - 1));
        // Received bytes extend the time according to the minimum rate.
        await peer.SendAsync(new string('x', 480));
        await Server.UntilAsync(ReadingContent, held + 480);
        _time.Advance(TimeSpan.FromSeconds(2));
        await peer.SendAsync(new string('x', 520));
        Assert.Equal(2000, (await peer.ReadAsync())!.Content.Length);
    }

    [Fact]
    public async Task Content_that_comes_more_slowly_is_answered_408()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        (_, double timeout) = await BeginContentAsync(peer);
        _time.Advance(TimeSpan.FromSeconds(Math.Ceiling(timeout)));
        await Expect408Async(peer);
    }

    [Fact]
    public async Task The_framing_of_chunks_does_not_extend_the_timeout()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        const string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        await peer.SendAsync(head
            + string.Concat(Enumerable.Repeat($"1;{new string('a', 200)}\r\nx\r\n", 30)));
        await Server.UntilAsync(ReadingContent, head.Length + 30);
        _time.Advance(s_limits.ContentStartTimeout);
        await Server.UntilAsync(ReadingContent);
        _time.Advance(s_second);
        await Expect408Async(peer);
    }

    [Fact]
    public async Task A_client_that_begins_to_read_just_in_time_gets_all_of_the_answer()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port, receiveBuffer: 4096);
        await peer.SendAsync("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        await Server.UntilAsync(Responding);
        _time.Advance(s_limits.SendTimeout - s_second);
        HttpAnswer answer = (await peer.ReadAsync())!;
        Assert.True(answer.Content.AsSpan().SequenceEqual(LargeContent.Bytes));
        await peer.GetAsync();
    }

    [Fact]
    public async Task A_client_that_does_not_read_is_closed()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port, receiveBuffer: 4096);
        await peer.SendAsync("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        await Server.UntilAsync(Responding);
        await AdvanceUntilEmptyAsync(s_limits.SendTimeout);
    }

    [Fact]
    public async Task A_send_timeout_during_a_partial_head_sends_no_408()
    {
        // So many answers that the last of them does not fit between server and client; how many depends on
        // the kernel.
        for (int answers = 1; answers < 100; answers++)
        {
            using NarrowConnection narrow =
                await NarrowConnection.OpenAsync(Server, NarrowConnection.Requests(answers) + "GET / HT");
            HttpConnection connection =
                await Server.UntilAsync(static c => c.Inspect is { Held: 8, Waiting: true });
            if (connection.Inspect.State == ReadingHead)
            {
                narrow.Peer.Reset();
                await narrow.Served;
                continue;
            }

            // A 408 now would land in the middle of an answer.
            Assert.Equal(Responding, connection.Inspect.State);
            _time.Advance(s_limits.SendTimeout);
            await narrow.Served;
            return;
        }

        Assert.Fail("the kernel took all");
    }

    [Fact]
    public async Task Input_of_a_rejected_client_is_read_for_a_while()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        await peer.SendAsync("BAD\r\n\r\n");
        Assert.Equal(400, (await peer.ReadAsync())!.Status);
        Assert.True(await peer.EndsAsync());
        HttpConnection connection = await Server.UntilAsync(Lingering);
        await PauseAsync(connection, peer);
        Assert.Equal(Lingering, connection.Inspect.State);
        _time.Advance(s_limits.LingerTimeout);
        await Server.UntilEmptyAsync();
    }

    [Fact]
    public async Task Input_of_a_rejected_client_is_not_read_forever()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        await peer.SendAsync("BAD\r\n\r\n");
        TimeSpan step = s_limits.LingerTimeout - s_second, waited = default;
        HttpConnection connection = await Server.UntilAsync(Lingering);
        for (; waited + s_limits.LingerTimeout < s_limits.LingerMax; waited += step)
            await PauseAsync(connection, peer);
        _time.Advance(s_limits.LingerMax - waited);
        await Server.UntilEmptyAsync();
    }

    [Fact]
    public async Task A_server_that_stops_reads_less_of_it()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        await peer.SendAsync("GET / HTTP/1.1\r\n");
        await Server.UntilAsync(ReadingHead);
        Server.Stop();
        await peer.SendAsync("Host: a\r\n\r\n");
        Assert.True((await peer.ReadAsync())!.SaysClose);
        await Server.UntilAsync(Lingering);
        _time.Advance(s_limits.LingerMaxAtStop);
        await Server.UntilEmptyAsync();
    }

    // Sends just before the deadline, which moves.
    private async Task PauseAsync(HttpConnection connection, HttpPeer peer)
    {
        long deadline = connection.Inspect.Deadline;
        _time.Advance(s_limits.LingerTimeout - s_second);
        Assert.True(await peer.SendAsync("x"));
        await Watching.UntilAsync(
            () => connection.Inspect is { Waiting: true } now && now.Deadline > deadline);
    }

    [Fact]
    public async Task Slow_heads_do_not_delay_others_and_time_out_together()
    {
        HttpPeer[] slow =
            await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => HttpPeer.ConnectAsync(_host.Port)));
        foreach (HttpPeer peer in slow) await peer.SendAsync("GET / HTTP/1.1\r\nX: ");
        await Watching.UntilAsync(() => Server.Snapshot().Count(
            static c => c.Inspect is { State: ReadingHead, Waiting: true }) == 200);
        using (HttpPeer good = await HttpPeer.ConnectAsync(_host.Port)) await good.GetAsync();
        _time.Advance(s_limits.HeadTimeout);
        foreach (HttpPeer peer in slow)
        {
            await Expect408Async(peer);
            peer.Dispose();
        }

        using HttpPeer after = await HttpPeer.ConnectAsync(_host.Port);
        await after.GetAsync();
    }

    [Fact]
    public async Task A_timeout_racing_with_the_last_bytes_gives_a_response_or_a_408()
    {
        for (int i = 0; i < 200; i++)
        {
            using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
            await peer.SendAsync("GET / HTTP/1.1\r\nHo");
            await Server.UntilAsync(ReadingHead, held: 18);
            Task<bool> rest = peer.SendAsync("st: a\r\n\r\n");
            _time.Advance(s_limits.HeadTimeout);
            await rest;
            HttpAnswer? answer = await peer.ReadAsync();
            Assert.True(answer is null or { Status: 200 } or { Status: 408 }, $"{answer?.Status}");
            peer.Dispose();
            await Server.UntilEmptyAsync();
        }
    }

    [Fact]
    public async Task Date_is_the_clock_s_and_moves_with_it()
    {
        using HttpPeer peer = await HttpPeer.ConnectAsync(_host.Port);
        Assert.Equal("Sat, 29 Oct 2022 20:20:58 GMT", (await peer.GetAsync()).Values("Date").Single());
        _time.Advance(s_second);
        Assert.Equal("Sat, 29 Oct 2022 20:20:59 GMT", (await peer.GetAsync()).Values("Date").Single());
    }

    private static ValueTask<Response> Answer(Request request)
    {
        if (request.Path.SequenceEqual("/large"u8)) return new(LargeContent.Response);
        return request.Path.SequenceEqual("/medium"u8) ? new(LargeContent.Medium) : EchoHost.Answer(request);
    }

    private static async Task Expect408Async(HttpPeer peer)
    {
        HttpAnswer answer = (await peer.ReadAsync())!;
        Assert.Equal(408, answer.Status);
        Assert.True(answer.SaysClose);
        await peer.EndsAsync();
    }

    // 1,000 bytes of 2,000; how many the server holds then, and how many seconds it waits for more.
    private async Task<(int Held, double Timeout)> BeginContentAsync(HttpPeer peer)
    {
        const string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n";
        await peer.SendAsync(head + new string('x', 1000));
        int held = head.Length + 1000;
        await Server.UntilAsync(ReadingContent, held);
        return (held, s_limits.ContentStartTimeout.TotalSeconds
            + ((double)held / s_limits.ContentBytesPerSecondMin));
    }

    // The kernel may still take a slice while the clock moves, so only a lower bound can be asserted.
    private async Task AdvanceUntilEmptyAsync(TimeSpan noEarlier)
    {
        _time.Advance(noEarlier - s_second);
        Assert.NotEmpty(Server.Snapshot());
        await Watching.UntilAsync(() =>
        {
            _time.Advance(s_second);
            return Server.Snapshot().Length == 0;
        });
    }
}
