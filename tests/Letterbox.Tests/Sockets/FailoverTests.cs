// A link with several stores: when it leaves one, where it goes, and what goes with it.

using Letterbox.Configuration;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Sockets;

public sealed class FailoverTests : IAsyncDisposable
{
    private static readonly LinkLimits s_limits = new() { DrainTimeout = TimeSpan.Zero };

    private readonly ManualTime _time = new();
    private readonly ScriptedStore _first = new();
    private readonly ScriptedStore _second = new();
    private StoreLink? _link;

    [Fact]
    public async Task What_has_no_answer_goes_to_the_next_store_under_the_same_key()
    {
        StoreLink link = Link();
        Message[] messages = [Texts.Message("a", "1"), Texts.Message("a", "2")];
        Task<Receipt>[] receipts = [.. messages.Select(m => link.DeliverAsync(m).AsTask())];
        using (SocketClient first = await _first.AcceptAsync())
        {
            foreach (Message message in messages) Assert.Equal(Line(message), await first.ReadLineAsync());
            await first.SendAsync($"OK {messages[0].Id}\n");
            Assert.Equal(Receipt.Stored(messages[0].Id), await receipts[0]);
        }

        using SocketClient second = await _second.AcceptAsync();
        await ExpectAsync(second, messages[1], receipts[1]);

        // It stays there.
        Message third = Texts.Message("a", "3");
        await ExpectAsync(second, third, link.DeliverAsync(third).AsTask());
    }

    [Fact]
    public async Task A_store_that_is_away_is_passed_over_without_a_pause()
    {
        StoreLink link = LinkWithoutFirst();
        Message message = Texts.Message("a", "b");
        Task<Receipt> receipt = link.DeliverAsync(message).AsTask();
        using SocketClient second = await _second.AcceptAsync();
        await ExpectAsync(second, message, receipt);
    }

    [Fact]
    public async Task From_the_last_store_it_goes_back_to_the_first_after_a_pause()
    {
        Message message = Texts.Message("a", "b");
        Task<Receipt> receipt = Link().DeliverAsync(message).AsTask();
        using (await _first.AcceptAsync())
        {
            // Only to break.
        }

        using (await _second.AcceptAsync())
        {
            // Only to break.
        }

        await _time.ArmedAsync(s_limits.BackOffMin);
        _time.Advance(s_limits.BackOffMin);
        using SocketClient again = await _first.AcceptAsync();
        await ExpectAsync(again, message, receipt);
    }

    [Fact]
    public async Task A_store_that_hangs_is_left_while_there_is_patience_for_another()
    {
        StoreLink link = Link();
        using SocketClient hanging = await _first.AcceptAsync();
        Message message = Texts.Message("a", "b");
        Task<Receipt> receipt = link.DeliverAsync(message).AsTask();
        Assert.Equal(Line(message), await hanging.ReadLineAsync());
        for (TimeSpan waited = default; waited < s_limits.FailoverTimeout; waited += s_limits.CheckEvery)
        {
            await _time.ArmedAsync(s_limits.CheckEvery);
            Assert.True(link.Connected);
            _time.Advance(s_limits.CheckEvery);
        }

        Assert.Null(await hanging.ReadLineAsync());
        using SocketClient second = await _second.AcceptAsync();
        await ExpectAsync(second, message, receipt);
    }

    [Fact]
    public async Task A_message_that_one_store_tells_to_wait_is_tried_at_the_next()
    {
        StoreLink link = Link();
        Message message = Texts.Message("a", "b");
        Task<Receipt> receipt = link.DeliverAsync(message).AsTask();
        using SocketClient full = await _first.AcceptAsync();
        Assert.Equal(Line(message), await full.ReadLineAsync());
        await full.SendAsync("WAIT the disk is nearly full\n");
        using SocketClient second = await _second.AcceptAsync();
        await ExpectAsync(second, message, receipt);
    }

    [Fact]
    public async Task When_every_store_says_wait_the_sender_hears_it_and_later_the_link_goes_round_again()
    {
        StoreLink link = Link();
        Message message = Texts.Message("a", "b");
        Task<Receipt> receipt = link.DeliverAsync(message).AsTask();
        using SocketClient first = await _first.AcceptAsync();
        Assert.Equal(Line(message), await first.ReadLineAsync());
        await first.SendAsync("WAIT the disk is nearly full\n");
        using SocketClient second = await _second.AcceptAsync();
        Assert.Equal(Line(message), await second.ReadLineAsync());
        await second.SendAsync("WAIT the journal is full\n");
        Assert.Equal(Receipt.Later("the journal is full"), await receipt);

        _time.Advance(s_limits.RoundEvery - TimeSpan.FromTicks(1));
        receipt = link.DeliverAsync(message).AsTask();
        Assert.Equal(Line(message), await second.ReadLineAsync());
        await second.SendAsync("WAIT the journal is full\n");
        Assert.Equal(Receipt.Later("the journal is full"), await receipt);

        _time.Advance(TimeSpan.FromTicks(1));
        receipt = link.DeliverAsync(message).AsTask();
        Assert.Equal(Line(message), await second.ReadLineAsync());
        await second.SendAsync("WAIT the journal is full\n");
        await _time.ArmedAsync(s_limits.BackOffMin);
        _time.Advance(s_limits.BackOffMin);
        using SocketClient again = await _first.AcceptAsync();
        await ExpectAsync(again, message, receipt);
    }

    [Fact]
    public async Task With_one_store_a_message_that_has_to_wait_is_told_so()
    {
        await using var link = new StoreLink([_first.Address], s_limits, _time, NullLogger.Instance);
        link.Start();
        Task<Receipt> receipt = link.DeliverAsync(Texts.Message("a", "b")).AsTask();
        using SocketClient store = await _first.AcceptAsync();
        await store.ReadLineAsync();
        await store.SendAsync("WAIT the disk is nearly full\n");
        Assert.Equal(Receipt.Later("the disk is nearly full"), await receipt);
    }

    public async ValueTask DisposeAsync()
    {
        if (_link is not null) await _link.DisposeAsync();
        _first.Dispose();
        _second.Dispose();
    }

    private StoreLink LinkWithoutFirst()
    {
        Address gone = _first.Address;
        _first.Dispose();
        return Link(gone);
    }

    private StoreLink Link(Address? first = null)
    {
        Address[] stores = [first ?? _first.Address, _second.Address];
        _link = new StoreLink(stores, s_limits, _time, NullLogger.Instance);
        _link.Start();
        return _link;
    }

    private static async Task ExpectAsync(SocketClient store, Message message, Task<Receipt> receipt)
    {
        Assert.Equal(Line(message), await store.ReadLineAsync());
        await store.SendAsync($"OK {message.Id}\n");
        Assert.Equal(Receipt.Stored(message.Id), await receipt);
    }

    private static string Line(Message message) =>
        $"id={message.Id}&username={message.Username}&message={message.Text}";
}
