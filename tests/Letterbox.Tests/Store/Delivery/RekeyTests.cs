// A message that was acknowledged and finds another document under its key in MongoDB: it arrives all the
// same, once, under another key, wherever the process is killed.

using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Journal;
using Letterbox.Tests.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Delivery;

public sealed class RekeyTests : IAsyncDisposable
{
    private readonly RelayHost _host = new();
    private readonly Dictionary<MessageKey, string> _mongo = [];

    private string Path => _host.Journal.Path;

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task It_is_delivered_under_the_next_key_and_its_neighbours_under_theirs()
    {
        Message[] messages = await Samples.FillAsync(_host.Journal, 3);
        _mongo[messages[1].Id] = "a client's";
        Relay relay = _host.Start(Insert);
        await _host.Time.NextTimerAsync();
        MessageKey next = TextKey.Of(messages[1]).Next;
        Assert.Equal(
            [(messages[0].Id, "message 1"), (messages[2].Id, "message 3"), (next, "message 2")],
            Ours().OrderBy(static row => row.Text == "message 2"));
        Assert.Equal("a client's", _mongo[messages[1].Id]);
        Assert.Equal(3, _host.Watermark);
        Assert.Equal(3, _host.Journal.LastSequence);
        Assert.Empty(_host.Quarantined());
        Assert.Empty(relay.Notes);
        Assert.Equal([$"{messages[1].Id} {next}"], Rekeyed());
        using (JournalReader reader = JournalReader.Open(Path))
        {
            Assert.Equal((next, next), (reader.KeyOf(messages[1].Id), reader.KeyOf(next)));
            Assert.Equal(messages[0].Id, reader.KeyOf(messages[0].Id));
        }

        Assert.Equal(
            $"Warning: MongoDB has another document under the key of message {messages[1].Id}: "
            + "delivered under another key",
            Assert.Single(_host.Lines));
    }

    [Fact]
    public async Task A_receipt_of_the_old_key_still_answers_and_another_text_under_it_is_rejected()
    {
        Message message = await RekeyOneAsync();
        Assert.Equal(Receipt.Stored(message.Id), await _host.Journal.AppendAsync(message));
        Assert.True((await _host.Journal.AppendAsync(Samples.Message(message.Id, "other"))).IsTaken);
        await _host.ReopenAsync();
        Assert.Equal(Receipt.Stored(message.Id), await _host.Journal.AppendAsync(message));
        Assert.Equal(["message 1"], Samples.Texts(_host.Journal));
    }

    [Fact]
    public async Task Sent_again_after_it_was_purged_it_is_not_doubled()
    {
        Message message = await RekeyOneAsync();
        _host.Time.Advance(TimeSpan.FromDays(8));
        Assert.True(_host.Journal.Purge(TimeSpan.FromDays(7), CancellationToken.None).Succeeded);
        Assert.Empty(Samples.Texts(_host.Journal));
        Assert.Equal(Receipt.Stored(message.Id), await _host.Journal.AppendAsync(message));
        _host.Start(Insert);
        await Eventually.IsAsync(() => _host.Watermark == 2);
        Assert.Equal([(TextKey.Of(message).Next, "message 1")], Ours());
        Assert.Single(Rekeyed());
    }

    [Theory]
    [InlineData("before MongoDB is asked")]
    [InlineData("before the answer")]
    [InlineData("before the new key is in the journal")]
    [InlineData("before it is sent under the new key")]
    [InlineData("before it is marked")]
    public async Task Killed_at_any_moment_it_arrives_once(string moment)
    {
        Message[] messages = await Samples.FillAsync(_host.Journal, 3);
        _mongo[messages[1].Id] = "a client's";
        var killed = BatchOutcome.Failed("killed");
        int calls = 0;
        Relay relay = _host.Start(batch =>
        {
            calls++;
            if (moment == "before MongoDB is asked" && calls == 1) return killed;
            if (moment == "before it is sent under the new key" && calls == 2) return killed;
            BatchOutcome outcome = Insert(batch);
            if (moment == "before the answer" && calls == 1) return killed;
            if (moment == "before it is marked" && calls == 2) return killed;
            // The commit that follows is that of the new key.
            if (moment == "before the new key is in the journal" && calls == 1) _host.FailCommit();
            return outcome;
        });
        await _host.Time.NextTimerAsync();
        Assert.Equal(0, _host.Watermark);
        await relay.DisposeAsync();
        await _host.ReopenAsync();
        _host.Start(Insert);
        await Eventually.IsAsync(() => _host.Watermark == 3);
        Assert.Equal(["message 1", "message 2", "message 3"], Ours().Select(static row => row.Text).Order());
        Assert.Equal("message 2", _mongo[TextKey.Of(messages[1]).Next]);
        Assert.Equal([$"{messages[1].Id} {TextKey.Of(messages[1]).Next}"], Rekeyed());
        Assert.Equal(Receipt.Stored(messages[1].Id), await _host.Journal.AppendAsync(messages[1]));
    }

    [Fact]
    public async Task Two_stores_that_have_the_message_give_it_the_same_key()
    {
        await using var other = new RelayHost();
        Message message = Samples.Message("in both");
        _mongo[message.Id] = "a client's";
        // A client that knew the text occupied the next key too.
        _mongo[TextKey.Of(message).Next] = "a client's";
        foreach (RelayHost host in new[] { _host, other })
        {
            await host.Journal.AppendAsync(message);
            host.Start(Insert);
            await Eventually.IsAsync(() => host.Watermark == 1);
        }

        Assert.Single(Ours());
    }

    [Fact]
    public async Task Keys_that_are_taken_one_after_the_other_come_to_an_end()
    {
        Message message = Samples.Message("known");
        MessageKey key = message.Id;
        for (int i = 0; i < 20; i++, key = TextKey.Of(message.WithId(key)).Next) _mongo[key] = "a client's";
        await _host.Journal.AppendAsync(message);
        _host.Start(Insert);
        await Eventually.IsAsync(() => _host.Watermark == 1);
        MessageKey arrived = Assert.Single(Ours()).Id;
        // Whichever of its keys is asked for leads to the last one.
        Assert.All(Rekeyed(), row => Assert.EndsWith($" {arrived}", row));
        Assert.Contains($"{message.Id} {arrived}", Rekeyed());
        Assert.Equal(Receipt.Stored(message.Id), await _host.Journal.AppendAsync(message));
    }

    [Fact]
    public async Task A_mongodb_that_has_every_key_of_another_document_does_not_hold_up_the_others()
    {
        await Samples.FillAsync(_host.Journal, 2);
        _host.Start(static batch =>
        {
            int at = batch.Index().Single(static place => place.Item.Message.Text == "message 1").Index;
            return new BatchOutcome(null, [new RejectedEntry(at, RejectedEntry.Conflict)]);
        });
        await Eventually.IsAsync(() => _host.Watermark == 2);
        Assert.Equal(["1 conflict"], _host.Quarantined());
    }

    [Fact]
    public async Task One_that_is_in_the_journal_under_the_next_key_already_is_one_message()
    {
        Message message = Samples.Message("sent twice");
        await _host.Journal.AppendAsync(message.WithId(TextKey.Of(message).Next));
        await _host.Journal.AppendAsync(message);
        _mongo[message.Id] = "a client's";
        _host.Start(Insert);
        await Eventually.IsAsync(() => _host.Watermark == 2);
        Assert.Single(Ours());
        Assert.Equal(["sent twice"], Samples.Texts(_host.Journal));
        Assert.Equal(Receipt.Stored(message.Id), await _host.Journal.AppendAsync(message));
    }

    [Fact]
    public async Task A_conflict_that_an_earlier_version_put_into_quarantine_is_resolved_by_a_retry()
    {
        Message message = (await Samples.FillAsync(_host.Journal, 1))[0];
        _mongo[message.Id] = "a client's";
        Assert.True(_host.Journal.MarkDelivered(0, 1, [(1, RejectedEntry.Conflict)]).Succeeded);
        Assert.Empty(Quarantine.Retry(Path, [message.Id]));
        Relay relay = _host.Start(Insert);
        await Eventually.IsAsync(() => _host.Watermark == 2);
        Assert.Equal([(TextKey.Of(message).Next, "message 1")], Ours());
        Assert.Empty(_host.Quarantined());
        Assert.Empty(relay.Notes);
    }

    [Fact]
    public async Task Delivered_again_it_keeps_its_new_key()
    {
        await RekeyOneAsync();
        (MessageKey Id, string Text)[] before = Ours();
        _mongo.Clear();
        Assert.Equal(1, Redelivery.Request(Path, default));
        _host.Start(Insert);
        await Eventually.IsAsync(() => _mongo.Count == 1 && _host.Watermark == 1);
        Assert.Equal(before, Ours());
    }

    private async Task<Message> RekeyOneAsync()
    {
        Message message = (await Samples.FillAsync(_host.Journal, 1))[0];
        _mongo[message.Id] = "a client's";
        await using Relay relay = _host.Start(Insert);
        await Eventually.IsAsync(() => _host.Watermark == 1);
        return message;
    }

    private BatchOutcome Insert(IReadOnlyList<JournalEntry> batch)
    {
        lock (_mongo)
        {
            return new BatchOutcome(null,
            [
                .. from place in batch.Index()
                   let message = place.Item.Message
                   where !_mongo.TryAdd(message.Id, message.Text) && _mongo[message.Id] != message.Text
                   select new RejectedEntry(place.Index, RejectedEntry.Conflict),
            ]);
        }
    }

    private (MessageKey Id, string Text)[] Ours() =>
    [
        .. from row in _mongo where row.Value != "a client's" orderby row.Value select (row.Key, row.Value),
    ];

    private string[] Rekeyed() => Samples.Query(Path, "SELECT old || ' ' || new FROM rekeyed");
}
