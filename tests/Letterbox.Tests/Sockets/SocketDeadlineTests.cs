// The limits of time of a connection, on a clock that the test moves.

using Letterbox.Configuration;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Sockets;

public sealed class SocketDeadlineTests : IAsyncDisposable
{
    private static readonly TimeSpan s_tick = TimeSpan.FromTicks(1);
    private static readonly SocketLimits s_limits = new();
    private readonly ManualTime _time = new();
    private readonly List<SocketServer> _servers = [];

    [Fact]
    public async Task A_form_without_line_feed_is_taken_after_the_quiet_time_and_not_before()
    {
        var mailbox = new Mailbox();
        using SocketClient client = await ConnectAsync(mailbox);
        await client.SendAsync("username=a&message=b");
        await _time.ArmedAsync(s_limits.QuietTimeout);
        _time.Advance(s_limits.QuietTimeout - s_tick);
        await client.SendAsync("c");
        await _time.ArmedAsync(s_limits.QuietTimeout);
        Assert.Empty(mailbox.Messages);
        _time.Advance(s_limits.QuietTimeout);
        Assert.StartsWith("OK ", await client.ReadLineAsync(), StringComparison.Ordinal);
        Assert.Equal("bc", Assert.Single(mailbox.Messages).Text);
    }

    [Theory]
    [InlineData("{\"username\":\"a\"")]
    [InlineData("\0\0")]
    [InlineData("\0\0\0\u0014username")]
    [InlineData("\nusername=a&message=b")]
    public async Task A_message_that_does_not_end_in_time_is_answered_and_ends_the_connection(string input)
    {
        var mailbox = new Mailbox();
        using SocketClient client = await ConnectAsync(mailbox);
        await client.SendAsync(input);
        for (TimeSpan waited = default; waited < s_limits.MessageTimeout; waited += s_limits.QuietTimeout)
        {
            await _time.ArmedAsync(s_limits.QuietTimeout);
            _time.Advance(s_limits.QuietTimeout);
        }

        Assert.Equal(["NO the message did not end within 10 s"], await client.ReadToEndAsync());
        Assert.Empty(mailbox.Messages);
    }

    [Fact]
    public async Task The_answer_to_a_message_that_is_too_long_is_not_lost_while_the_client_sends()
    {
        using SocketClient client = await ConnectAsync(new Mailbox());
        await client.SendAsync(new string('x', 100_000));
        TimeSpan step = s_limits.LingerTimeout - s_tick, waited = default;
        for (; waited + s_limits.LingerTimeout < s_limits.LingerMax; waited += step)
        {
            await _time.ArmedAsync(s_limits.LingerTimeout);
            _time.Advance(step);
            await client.SendAsync("x");
        }

        await _time.ArmedAsync(s_limits.LingerTimeout);
        Assert.Equal(["NO the message is too long"], await client.ReadToEndAsync());
    }

    [Fact]
    public async Task An_idle_connection_is_closed_without_a_word()
    {
        using SocketClient client = await ConnectAsync(new Mailbox());
        await _time.ArmedAsync(s_limits.IdleTimeout);
        _time.Advance(s_limits.IdleTimeout);
        Assert.Null(await client.ReadLineAsync());
    }

    [Fact]
    public async Task A_connection_that_waits_for_an_answer_is_not_idle()
    {
        var mailbox = new Mailbox { Holds = true };
        using SocketClient client = await ConnectAsync(mailbox);
        await client.SendAsync("username=a&message=b\n");
        (Message message, TaskCompletionSource<Receipt> answer) = await mailbox.NextAsync();
        await _time.ArmedAsync(s_limits.IdleTimeout);
        _time.Advance(s_limits.IdleTimeout);
        await _time.ArmedAsync(s_limits.IdleTimeout);
        answer.SetResult(Receipt.Stored(message.Id));
        Assert.Equal($"OK {message.Id}", await client.ReadLineAsync());
    }

    [Fact]
    public async Task A_client_that_does_not_read_its_answers_is_dropped()
    {
        using SocketClient client = await ConnectAsync(new Mailbox());
        Task sending = SendForEverAsync(client);
        // Harmless to a send that goes through: it only ends one that is stuck.
        while (!sending.IsCompleted)
        {
            _time.Advance(s_limits.WriteTimeout);
            await Task.Yield();
        }

        await Assert.ThrowsAsync<IOException>(() => sending);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (SocketServer server in _servers) await server.DrainAsync(TimeSpan.Zero);
    }

    private static async Task SendForEverAsync(SocketClient client)
    {
        byte[] lines = Cuts.Bytes(string.Concat(Enumerable.Repeat("x\n", 10_000)));
        while (true) await client.SendAsync(lines);
    }

    private Task<SocketClient> ConnectAsync(Mailbox mailbox)
    {
        var address = new Address("127.0.0.1", 0);
        var server = new SocketServer(address, mailbox.DeliverAsync, s_limits, _time, NullLogger.Instance);
        server.Start();
        _servers.Add(server);
        return SocketClient.ConnectAsync(server.EndPoint);
    }
}
