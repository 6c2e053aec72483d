// The link against a store that answers, breaks, hangs, talks nonsense and comes back, over real connections.

using System.Collections.Concurrent;
using Letterbox.Configuration;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Sockets;

public sealed class StoreLinkTests
{
    private static readonly LinkLimits s_limits = new() { DrainTimeout = TimeSpan.Zero };

    [Fact]
    public async Task Every_message_is_answered_as_the_store_said()
    {
        using var store = new ScriptedStore();
        await using StoreLink link = Link(store.Address);
        Message[] messages = [Texts.Message("a", "1"), Texts.Message("a", "2"), Texts.Message("a", "3")];
        Task<Receipt>[] receipts = [.. messages.Select(m => link.DeliverAsync(m).AsTask())];
        using SocketClient connection = await store.AcceptAsync();
        foreach (Message message in messages) Assert.Equal(Line(message), await connection.ReadLineAsync());
        Assert.True(link.Connected);
        Assert.Null(link.Failure);
        await connection.SendAsync($"OK {messages[0].Id}\nNO it is bad\nWAIT it is full\n");
        Receipt[] expected =
            [Receipt.Stored(messages[0].Id), Receipt.Rejected("it is bad"), Receipt.Later("it is full")];
        Assert.Equal(expected, await Task.WhenAll(receipts));
    }

    [Fact]
    public async Task What_has_no_answer_is_sent_again_under_the_same_key_over_a_new_connection()
    {
        using var store = new ScriptedStore();
        await using StoreLink link = Link(store.Address);
        Message[] messages = [Texts.Message("a", "1"), Texts.Message("a", "2"), Texts.Message("a", "3")];
        Task<Receipt>[] receipts = [.. messages.Select(m => link.DeliverAsync(m).AsTask())];
        using (SocketClient connection = await store.AcceptAsync())
        {
            foreach (Message message in messages)
                Assert.Equal(Line(message), await connection.ReadLineAsync());
            await connection.SendAsync($"OK {messages[0].Id}\n");
            Assert.Equal(Receipt.Stored(messages[0].Id), await receipts[0]);
        }

        using (SocketClient connection = await store.AcceptAsync())
        {
            Assert.Equal(Line(messages[1]), await connection.ReadLineAsync());
            connection.Reset();
        }

        using (SocketClient connection = await store.AcceptAsync())
        {
            foreach (Message message in messages[1..])
            {
                Assert.Equal(Line(message), await connection.ReadLineAsync());
                await connection.SendAsync($"OK {message.Id}\n");
            }

            Receipt[] expected = [.. messages.Select(m => Receipt.Stored(m.Id))];
            Assert.Equal(expected, await Task.WhenAll(receipts));
        }
    }

    [Theory]
    [InlineData("HTTP/1.1 400 Bad Request\n")]
    [InlineData("OK 000000000000000000000000\n")]
    [InlineData("NO \u00ff\n")]
    [InlineData("\n")]
    [InlineData("endless")]
    public async Task A_store_that_talks_nonsense_is_left_and_the_message_is_sent_again(string nonsense)
    {
        using var store = new ScriptedStore();
        await using StoreLink link = Link(store.Address);
        Message message = Texts.Message("a", "b");
        Task<Receipt> receipt = link.DeliverAsync(message).AsTask();
        using SocketClient first = await store.AcceptAsync();
        Assert.Equal(Line(message), await first.ReadLineAsync());
        await first.SendAsync(nonsense is "endless" ? new string('x', 300) : nonsense);
        using SocketClient second = await store.AcceptAsync();
        Assert.Equal(Line(message), await second.ReadLineAsync());
        await second.SendAsync($"OK {message.Id}\n");
        Assert.Equal(Receipt.Stored(message.Id), await receipt);
    }

    [Fact]
    public async Task A_store_that_hangs_costs_a_message_its_deadline_and_the_next_gets_a_fresh_connection()
    {
        var time = new ManualTime();
        using var store = new ScriptedStore();
        await using var link = new StoreLink([store.Address], s_limits, time, NullLogger.Instance);
        link.Start();
        using SocketClient hanging = await store.AcceptAsync();
        Task<Receipt> late = link.DeliverAsync(Texts.Message("a", "b")).AsTask();
        Assert.NotNull(await hanging.ReadLineAsync());
        time.Advance(s_limits.MessageTimeout);
        Assert.Equal(Receipt.Unknown("no answer from the store within 10 s"), await late);
        Assert.Null(await hanging.ReadLineAsync());

        Message next = Texts.Message("a", "next");
        Task<Receipt> receipt = link.DeliverAsync(next).AsTask();
        await time.ArmedAsync(s_limits.BackOffMin);
        time.Advance(s_limits.BackOffMin);
        using SocketClient fresh = await store.AcceptAsync();
        Assert.Equal(Line(next), await fresh.ReadLineAsync());
        await fresh.SendAsync($"OK {next.Id}\n");
        Assert.Equal(Receipt.Stored(next.Id), await receipt);
    }

    [Fact]
    public async Task A_message_waits_for_a_store_that_is_away_and_no_longer_than_its_deadline()
    {
        var time = new ManualTime();
        Address address;
        using (var gone = new ScriptedStore()) address = gone.Address;
        await using var link = new StoreLink([address], s_limits, time, NullLogger.Instance);
        link.Start();
        Task<Receipt> late = link.DeliverAsync(Texts.Message("a", "b")).AsTask();
        await time.ArmedAsync(s_limits.BackOffMin);
        Assert.False(link.Connected);
        string failure = $"the store at {address} cannot be reached (ConnectionRefused)";
        Assert.Equal(failure, link.Failure);
        time.Advance(s_limits.MessageTimeout);
        Receipt receipt = await late;
        Assert.Equal(ReceiptKind.Later, receipt.Kind);
        Assert.StartsWith("no answer from the store within 10 s", receipt.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_that_comes_back_on_its_port_gets_what_waited_for_it()
    {
        Address address;
        using (var gone = new ScriptedStore()) address = gone.Address;
        await using StoreLink link = Link(address);
        Message message = Texts.Message("a", "b");
        Task<Receipt> receipt = link.DeliverAsync(message).AsTask();
        using var store = new ScriptedStore(address.Port);
        using SocketClient connection = await store.AcceptAsync();
        Assert.Equal(Line(message), await connection.ReadLineAsync());
        await connection.SendAsync($"OK {message.Id}\n");
        Assert.Equal(Receipt.Stored(message.Id), await receipt);
    }

    [Fact]
    public async Task Through_restarts_of_the_real_server_every_message_gets_there_with_its_content()
    {
        var taken = new ConcurrentDictionary<MessageKey, string>();
        SocketServer server = Serve(0);
        var address = new Address("127.0.0.1", server.EndPoint.Port);
        await using StoreLink link = Link(address);
        for (int round = 0; round < 8; round++)
        {
            string[] texts = [.. Enumerable.Range(0, 300).Select(i => $"{round}: {i} 📬")];
            Message[] messages = [.. texts.Select(text => Texts.Message("a", text))];
            Task<Receipt>[] receipts = [.. messages.Select(m => link.DeliverAsync(m).AsTask())];
            await server.DrainAsync(TimeSpan.FromSeconds(round % 2 == 0 ? 30 : 0));
            server = Serve(address.Port);
            Assert.Equal(messages.Select(m => Receipt.Stored(m.Id)), await Task.WhenAll(receipts));
            Assert.All(messages, m => Assert.Equal(m.Text, taken[m.Id]));
        }

        Assert.Equal(8 * 300, taken.Count);
        await server.DrainAsync(TimeSpan.Zero);

        SocketServer Serve(int port)
        {
            var at = new Address("127.0.0.1", port);
            var limits = new SocketLimits();
            var serving = new SocketServer(at, Take, limits, TimeProvider.System, NullLogger.Instance);
            serving.Start();
            return serving;
        }

        async ValueTask<Receipt> Take(Message message)
        {
            await Task.Yield();
            string text = taken.GetOrAdd(message.Id, message.Text);
            return text == message.Text ? Receipt.Stored(message.Id) : Receipt.Rejected("another message");
        }
    }

    [Fact]
    public async Task Many_threads_share_one_link()
    {
        var mailbox = new Mailbox();
        var at = new Address("127.0.0.1", 0);
        using var server = new SocketServer(
            at, mailbox.DeliverAsync, new SocketLimits(), TimeProvider.System, NullLogger.Instance);
        server.Start();
        await using StoreLink link = Link(at.WithPort(server.EndPoint.Port));
        await Parallel.ForAsync(0, 5000, new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (i, _) =>
        {
            Message message = Texts.Message("a", $"{i}");
            Assert.Equal(Receipt.Stored(message.Id), await link.DeliverAsync(message));
        });
        Assert.Equal(5000, mailbox.Messages.DistinctBy(m => m.Id).Count());
        Assert.Equal(1, server.Connections);
    }

    [Fact]
    public async Task A_full_queue_is_said_at_once()
    {
        using var store = new ScriptedStore();
        await using StoreLink link = Link(store.Address, s_limits with { QueueMax = 1 });
        ValueTask<Receipt> first = link.DeliverAsync(Texts.Message("a", "b"));
        ValueTask<Receipt> second = link.DeliverAsync(Texts.Message("a", "b"));
        Assert.True(second.IsCompleted);
        Assert.Equal(Receipt.Later("too many messages wait for the store"), await second);
        Assert.False(first.IsCompleted);
    }

    [Fact]
    public async Task The_end_of_the_link_waits_for_the_answers_due_and_takes_nothing_more()
    {
        using var store = new ScriptedStore();
        StoreLink link = Link(store.Address, new LinkLimits { DrainTimeout = TimeSpan.FromSeconds(30) });
        Message message = Texts.Message("a", "b");
        Task<Receipt> receipt = link.DeliverAsync(message).AsTask();
        using SocketClient connection = await store.AcceptAsync();
        Assert.Equal(Line(message), await connection.ReadLineAsync());
        Task ending = link.DisposeAsync().AsTask();
        Receipt rejected = await link.DeliverAsync(Texts.Message("a", "too late"));
        Assert.Equal(Receipt.Later("the server is stopping"), rejected);
        Assert.False(ending.IsCompleted);
        await connection.SendAsync($"OK {message.Id}\n");
        await ending;
        Assert.Equal(Receipt.Stored(message.Id), await receipt);
        Assert.Null(await connection.ReadLineAsync());
    }

    [Fact]
    public async Task The_end_of_the_link_leaves_nobody_waiting_for_ever()
    {
        using var store = new ScriptedStore();
        StoreLink link = Link(store.Address);
        Task<Receipt> receipt = link.DeliverAsync(Texts.Message("a", "b")).AsTask();
        using SocketClient connection = await store.AcceptAsync();
        Assert.NotNull(await connection.ReadLineAsync());
        await link.DisposeAsync();
        Assert.Equal(Receipt.Unknown("the server stopped before the store answered"), await receipt);
    }

    [Fact]
    public async Task One_message_can_be_sent_over_a_connection_of_its_own()
    {
        using var store = new ScriptedStore();
        Message message = Texts.Message("a", "b");
        Task<Receipt> receipt = StoreLink.SendOnceAsync([store.Address], message, TimeSpan.FromSeconds(30));
        using SocketClient connection = await store.AcceptAsync();
        Assert.Equal(Line(message), await connection.ReadLineAsync());
        await connection.SendAsync("NO never\n");
        Assert.Equal(Receipt.Rejected("never"), await receipt);
        Assert.Null(await connection.ReadLineAsync());
    }

    [Fact]
    public async Task One_message_to_nobody_comes_back_when_patience_is_at_its_end()
    {
        Address address;
        using (var gone = new ScriptedStore()) address = gone.Address;
        TimeSpan timeout = TimeSpan.FromMilliseconds(1);
        Receipt receipt = await StoreLink.SendOnceAsync([address], Texts.Message("a", "b"), timeout);
        Assert.Equal(ReceiptKind.Later, receipt.Kind);
    }

    private static StoreLink Link(Address store, LinkLimits? limits = null)
    {
        StoreLink link = new([store], limits ?? s_limits, TimeProvider.System, NullLogger.Instance);
        link.Start();
        return link;
    }

    private static string Line(Message message) =>
        $"id={message.Id}&username={message.Username}&message={message.Text}";
}
