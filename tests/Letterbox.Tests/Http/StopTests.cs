// Stopping the server: idle connections close at once, requests in progress are answered.

using Letterbox.Http;
using Letterbox.Tests.Support;
using static Letterbox.Http.HttpConnection.State;

namespace Letterbox.Tests.Http;

public sealed class StopTests
{
    [Fact]
    public async Task Idle_connections_end_at_once()
    {
        await using var host = new EchoHost();
        using HttpPeer used =
            await HttpPeer.ConnectAsync(host.Port), fresh = await HttpPeer.ConnectAsync(host.Port);
        await used.GetAsync();
        await Watching.UntilAsync(
            () => host.Server.Snapshot().Count(static c => c.Inspect is { State: Idle, Waiting: true }) == 2);
        host.Server.Stop();
        Assert.Equal(0, await host.DrainAsync());
        Assert.True(await used.EndsAsync());
        Assert.True(await fresh.EndsAsync());
    }

    [Fact]
    public async Task A_request_at_work_is_answered_and_its_connection_closed()
    {
        TaskCompletionSource begun = new(), release = new();
        await using var host = new EchoHost(handler: async _ =>
        {
            begun.SetResult();
            await release.Task;
            return LargeContent.Response;
        });
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        await peer.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await begun.Task;
        host.Server.Stop();
        Task<int> drained = host.DrainAsync();
        release.SetResult();
        HttpAnswer answer = (await peer.ReadAsync())!;
        Assert.True(answer.SaysClose);
        Assert.Equal(LargeContent.Bytes.Length, answer.Content.Length);
        Assert.True(await peer.EndsAsync());
        Assert.Equal(0, await drained);
    }

    [Fact]
    public async Task A_partial_request_may_still_be_completed()
    {
        await using var host = new EchoHost();
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        await peer.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
        await host.Server.UntilAsync(ReadingContent);
        host.Server.Stop();
        await peer.SendAsync("llo");
        HttpAnswer answer = (await peer.ReadAsync())!;
        Assert.Equal(("hello", true), (answer.Text, answer.SaysClose));
        Assert.Equal(0, await host.DrainAsync());
    }

    [Fact]
    public async Task Of_pipelined_requests_one_more_is_answered()
    {
        TaskCompletionSource begun = new(), release = new();
        await using var host = new EchoHost(handler: async request =>
        {
            begun.TrySetResult();
            await release.Task;
            return Response.Create(200, []);
        });
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        await peer.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await begun.Task;
        host.Server.Stop();
        release.SetResult();
        Assert.True((await peer.ReadAsync())!.SaysClose);
        Assert.True(await peer.EndsAsync());
    }

    // The kernel has the response, the client has not read it yet and sends its next request. Closing now
    // would cause a reset when that arrives, and the rest of the response would be lost.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_that_sends_its_next_request_during_the_stop_gets_the_whole_response(
        bool beforeTheAnswer)
    {
        const string request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        byte[] content = LargeContent.Bytes[..100_000];
        TaskCompletionSource begun = new(), release = new();
        await using var host = new EchoHost(handler: async _ =>
        {
            begun.TrySetResult();
            await release.Task;
            return Response.Create(200, [], content);
        });
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port, receiveBuffer: 4096);
        await peer.SendAsync(request);
        await begun.Task;
        host.Server.Stop();
        if (beforeTheAnswer) await peer.SendAsync(request);
        release.SetResult();
        await host.Server.UntilAsync(Lingering);
        Assert.True(await peer.SendAsync(request));
        HttpAnswer answer = (await peer.ReadAsync())!;
        Assert.True(answer.SaysClose);
        Assert.Equal(content, answer.Content);
        Assert.True(await peer.EndsAsync());
        peer.HalfClose();
        Assert.Equal(0, await host.DrainAsync());
    }

    // The input buffer was released while the handler waited: lingering has to rent one.
    [Fact]
    public async Task Input_after_a_slow_response_is_read_and_discarded()
    {
        TaskCompletionSource begun = new(), release = new();
        await using var host = new EchoHost(handler: async _ =>
        {
            begun.SetResult();
            await release.Task;
            return Response.Create(200, []);
        });
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        await peer.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await begun.Task;
        await host.Server.UntilAsync(static connection => connection.Inspect.Capacity == 0);
        host.Server.Stop();
        release.SetResult();
        await host.Server.UntilAsync(Lingering);
        await peer.SendAsync("GET / HTTP/1.1\r\n");
        await peer.SendAsync("Host: a\r\n\r\n");
        Assert.True((await peer.ReadAsync())!.SaysClose);
        Assert.True(await peer.EndsAsync());
    }

    [Fact]
    public async Task A_connection_that_is_about_to_wait_is_closed_too()
    {
        // It reads the clock just before it waits: the stop happens there.
        var time = new InterruptedTime();
        await using var host = new EchoHost(time: time);
        time.Interrupt = host.Server.Stop;
        using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
        Assert.True(await peer.EndsAsync());
        Assert.Null(time.Interrupt);
    }

    private sealed class InterruptedTime : TimeProvider
    {
        private Action? _interrupt;

        public Action? Interrupt
        {
            get => _interrupt;
            set => _interrupt = value;
        }

        public override long GetTimestamp()
        {
            Interlocked.Exchange(ref _interrupt, null)?.Invoke();
            return base.GetTimestamp();
        }
    }
}
