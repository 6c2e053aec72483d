// The socket server over real TCP connections: what each kind of client gets, and what none of them can do to
// the next.

using System.Net;
using System.Net.Sockets;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Sockets;

public sealed class SocketServerTests : IAsyncDisposable
{
    private readonly List<SocketServer> _servers = [];

    [Theory]
    [InlineData("username=krabaton&message=First+message\n")]
    [InlineData("{\"username\":\"krabaton\",\"message\":\"First message\"}")]
    [InlineData("\0\0\0\u0027username=krabaton&message=First+message")]
    public async Task Each_dialect_is_stored_and_answered_with_its_key(string input)
    {
        var mailbox = new Mailbox();
        using SocketClient client = await ConnectAsync(mailbox);
        foreach (byte[] piece in Cuts.Of(Cuts.Bytes(input + input)).Last()) await client.SendAsync(piece);
        string?[] answers = [await client.ReadLineAsync(), await client.ReadLineAsync()];
        Assert.Equal(mailbox.Messages.Select(m => $"OK {m.Id}"), answers);
        Assert.All(mailbox.Messages, m => Assert.Equal(("krabaton", "First message"), (m.Username, m.Text)));
    }

    [Theory]
    [MemberData(nameof(Texts.Legal), MemberType = typeof(Texts))]
    public async Task Every_legal_text_arrives_as_it_was_typed(string name)
    {
        var mailbox = new Mailbox();
        using SocketClient client = await ConnectAsync(mailbox);
        Message message = Texts.Message("krabaton", Texts.Of(name));
        byte[] line = new byte[FormEncoder.BytesMax(message)];
        int length = FormEncoder.Write(message, line);
        await client.SendAsync(line[..length]);
        Assert.Equal($"OK {message.Id}", await client.ReadLineAsync());
        Assert.Equal(message.Text, Assert.Single(mailbox.Messages).Text);
    }

    [Fact]
    public async Task A_client_that_half_closes_is_answered_and_then_the_connection_closes()
    {
        var mailbox = new Mailbox();
        using SocketClient client = await ConnectAsync(mailbox);
        await client.SendAsync("username=a&message=b\nusername=c&message=d");
        client.EndSending();
        List<string> answers = await client.ReadToEndAsync();
        Assert.Equal(mailbox.Messages.Select(m => $"OK {m.Id}"), answers);
        Assert.Equal(["b", "d"], mailbox.Messages.Select(m => m.Text));
    }

    [Fact]
    public async Task A_client_that_sends_no_line_feed_and_waits_is_answered()
    {
        var mailbox = new Mailbox();
        using SocketClient client = await ConnectAsync(mailbox);
        foreach (string text in (string[])["first", "second"])
        {
            await client.SendAsync($"username=a&message={text}");
            Assert.StartsWith("OK ", await client.ReadLineAsync(), StringComparison.Ordinal);
        }

        Assert.Equal(["first", "second"], mailbox.Messages.Select(m => m.Text));
    }

    [Fact]
    public async Task Answers_come_in_the_order_of_the_messages_whatever_is_stored_first()
    {
        var mailbox = new Mailbox { Holds = true };
        using SocketClient client = await ConnectAsync(mailbox);
        const int Count = 500;
        await client.SendAsync(Numbered(Count));
        var held = new List<(Message Message, TaskCompletionSource<Receipt> Answer)>();
        for (int i = 0; i < Count; i++) held.Add(await mailbox.NextAsync());
        int[] order = [.. Enumerable.Range(0, Count)];
        new Random(1).Shuffle(order);
        foreach (int i in order) held[i].Answer.SetResult(AnswerTo(i));
        for (int i = 0; i < Count; i++) Assert.Equal(LineOf(AnswerTo(i)), await client.ReadLineAsync());

        Receipt AnswerTo(int i) => (i % 3) switch
        {
            0 => Receipt.Stored(held[i].Message.Id),
            1 => Receipt.Rejected($"number {i}"),
            _ => Receipt.Later($"number {i}"),
        };
        static string LineOf(Receipt receipt) => receipt.Kind switch
        {
            ReceiptKind.Stored => $"OK {receipt.Id}",
            ReceiptKind.Rejected => $"NO {receipt.Reason}",
            _ => $"WAIT {receipt.Reason}",
        };
    }

    [Fact]
    public async Task No_more_is_read_while_too_many_messages_wait_for_their_answer()
    {
        var mailbox = new Mailbox { Holds = true };
        using SocketClient client = await ConnectAsync(mailbox, new SocketLimits { InFlightMax = 4 });
        await client.SendAsync(Numbered(50));
        int taken = 0;
        for (; taken < 5; taken++) (await mailbox.NextAsync()).Answer.SetResult(Receipt.Rejected("x"));
        // Four wait in the queue, one more is being awaited, one more waits to get in: never the fifty.
        Assert.InRange(mailbox.Messages.Count, 5, 11);
        for (; taken < 50; taken++) (await mailbox.NextAsync()).Answer.SetResult(Receipt.Rejected("x"));
        client.EndSending();
        Assert.Equal(Enumerable.Repeat("NO x", 50), await client.ReadToEndAsync());
    }

    [Theory]
    [InlineData("\0\0\0\0username=a&message=b\n", "NO the length is not between 1 and 65536")]
    [InlineData("\0\u00ff\u00ff\u00ff", "NO the length is not between 1 and 65536")]
    public async Task A_broken_length_is_answered_and_ends_the_connection(string input, string answer)
    {
        var mailbox = new Mailbox();
        using SocketClient client = await ConnectAsync(mailbox);
        await client.SendAsync("username=a&message=b\n" + input);
        List<string> answers = await client.ReadToEndAsync();
        Assert.Equal([$"OK {mailbox.Messages[0].Id}", answer], answers);
        Assert.Single(mailbox.Messages);
    }

    [Fact]
    public async Task A_message_without_measure_is_answered_though_its_sender_goes_on_sending()
    {
        using SocketClient client = await ConnectAsync(new Mailbox());
        await client.SendAsync(new string('x', 3 * Message.EncodedBytesMax));
        Assert.Equal(["NO the message is too long"], await client.ReadToEndAsync());
    }

    [Theory]
    [InlineData("{\"username\":\"a\",\"message\":\"b\"", "NO the message is cut off")]
    [InlineData("\0\0\0\u0015username=a&message=b", "NO the message is cut off")]
    [InlineData("\nusername=a&message=b", "NO the message is cut off")]
    public async Task A_message_of_which_bytes_are_missing_is_never_handed_on(string input, string answer)
    {
        var mailbox = new Mailbox();
        using SocketClient client = await ConnectAsync(mailbox);
        await client.SendAsync(input);
        client.EndSending();
        Assert.Equal([answer], await client.ReadToEndAsync());
        Assert.Empty(mailbox.Messages);
    }

    [Theory]
    [InlineData("\0\0\0\u0015username=a")]
    [InlineData("{\"username\":")]
    [InlineData("\u0016\u0003\u0001\u0002\u00ff\n{{{{\n\0")]
    [InlineData("username=a&message=b\nusername=c")]
    public async Task A_client_that_vanishes_does_not_harm_the_next(string input)
    {
        var mailbox = new Mailbox();
        SocketServer server = Serve(mailbox);
        for (int i = 0; i < 20; i++)
        {
            using SocketClient vanishing = await SocketClient.ConnectAsync(server.EndPoint);
            await vanishing.SendAsync(input);
            vanishing.Reset();
        }

        using SocketClient next = await SocketClient.ConnectAsync(server.EndPoint);
        await next.SendAsync("username=next&message=here\n");
        Assert.StartsWith("OK ", await next.ReadLineAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_vanishes_while_its_message_is_being_stored_does_not_stop_that()
    {
        var mailbox = new Mailbox { Holds = true };
        SocketServer server = Serve(mailbox);
        using SocketClient vanishing = await SocketClient.ConnectAsync(server.EndPoint);
        await vanishing.SendAsync("username=a&message=b\n");
        (Message message, TaskCompletionSource<Receipt> answer) = await mailbox.NextAsync();
        vanishing.Reset();
        answer.SetResult(Receipt.Stored(message.Id));
        using SocketClient next = await SocketClient.ConnectAsync(server.EndPoint);
        await next.SendAsync("username=next&message=here\n");
        (await mailbox.NextAsync()).Answer.SetResult(Receipt.Later("full"));
        Assert.Equal("WAIT full", await next.ReadLineAsync());
    }

    [Fact]
    public async Task Beyond_the_bound_on_connections_the_one_that_is_idle_for_longest_ends()
    {
        SocketServer server = Serve(new Mailbox(), new SocketLimits { ConnectionsMax = 2 });
        using SocketClient silent = await SocketClient.ConnectAsync(server.EndPoint);
        using SocketClient used = await SocketClient.ConnectAsync(server.EndPoint);
        await used.SendAsync("?\n");
        Assert.Equal("OK ready", await used.ReadLineAsync());
        using SocketClient third = await SocketClient.ConnectAsync(server.EndPoint);
        await third.SendAsync("username=a&message=b\n");
        Assert.StartsWith("OK ", await third.ReadLineAsync(), StringComparison.Ordinal);
        Assert.Null(await silent.ReadLineAsync());
        await used.SendAsync("?\n");
        Assert.Equal("OK ready", await used.ReadLineAsync());
    }

    [Fact]
    public async Task While_all_connections_wait_for_their_answers_there_is_room_for_a_few_more()
    {
        var mailbox = new Mailbox { Holds = true };
        SocketServer server = Serve(mailbox, new SocketLimits { ConnectionsMax = 1 });
        using SocketClient first = await SocketClient.ConnectAsync(server.EndPoint);
        await first.SendAsync("username=a&message=b\n");
        (Message message, TaskCompletionSource<Receipt> answer) = await mailbox.NextAsync();
        for (int i = 0; i < 3 * ConnectionTable.Reserve; i++)
            await SocketClient.ConnectAsync(server.EndPoint);
        using SocketClient probe = await SocketClient.ConnectAsync(server.EndPoint);
        await probe.SendAsync("?\n");
        Assert.Equal("OK ready", await probe.ReadLineAsync());
        answer.SetResult(Receipt.Stored(message.Id));
        Assert.Equal($"OK {message.Id}", await first.ReadLineAsync());
    }

    [Fact]
    public async Task At_the_stop_what_was_read_is_answered_and_the_rest_is_not_handed_on()
    {
        var mailbox = new Mailbox { Holds = true };
        SocketServer server = Serve(mailbox);
        using SocketClient client = await SocketClient.ConnectAsync(server.EndPoint);
        await client.SendAsync("username=a&message=b\nusername=c&mess");
        (Message message, TaskCompletionSource<Receipt> answer) = await mailbox.NextAsync();
        Task<int> draining = server.DrainAsync(TimeSpan.FromSeconds(30));
        Assert.False(draining.IsCompleted);
        answer.SetResult(Receipt.Stored(message.Id));
        Assert.Equal([$"OK {message.Id}"], await client.ReadToEndAsync());
        client.Dispose();
        Assert.Equal(0, await draining);
        Assert.Single(mailbox.Messages);
    }

    [Fact]
    public async Task Whoever_accepts_may_fail_and_it_costs_one_connection_only()
    {
        bool faulty = true;
        var mailbox = new Mailbox();
        SocketServer server = Serve(message =>
            faulty ? throw new InvalidOperationException("a bug") : mailbox.DeliverAsync(message));
        using SocketClient unlucky = await SocketClient.ConnectAsync(server.EndPoint);
        await unlucky.SendAsync("username=a&message=b\n");
        Assert.Null(await unlucky.ReadLineAsync());
        faulty = false;
        using SocketClient next = await SocketClient.ConnectAsync(server.EndPoint);
        await next.SendAsync("username=next&message=here\n");
        Assert.StartsWith("OK ", await next.ReadLineAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_port_that_is_taken_for_one_of_the_two_cannot_be_bound()
    {
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        int port = ((IPEndPoint)taken.LocalEndPoint!).Port;
        Assert.Throws<SocketException>(() => Serve(new Mailbox(), port: port));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (SocketServer server in _servers) await server.DrainAsync(TimeSpan.Zero);
    }

    private static string Numbered(int count) =>
        string.Concat(Enumerable.Range(0, count).Select(i => $"username=a&message={i}\n"));

    private Task<SocketClient> ConnectAsync(Mailbox mailbox, SocketLimits? limits = null) =>
        SocketClient.ConnectAsync(Serve(mailbox, limits).EndPoint);

    private SocketServer Serve(Mailbox mailbox, SocketLimits? limits = null, int port = 0) =>
        Serve(mailbox.DeliverAsync, limits, port);

    private SocketServer Serve(Deliver accept, SocketLimits? limits = null, int port = 0)
    {
        var address = new Address("127.0.0.1", port);
        limits ??= new SocketLimits();
        var server = new SocketServer(address, accept, limits, TimeProvider.System, NullLogger.Instance);
        server.Start();
        _servers.Add(server);
        return server;
    }
}
