// What is in quarantine is seen, sent again or given up, while the journal's owner is at work or not.

using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Journal;
using Letterbox.Tests.Store.Delivery;

namespace Letterbox.Tests.Store.Journal;

public sealed class QuarantineTests : IAsyncDisposable
{
    private readonly RelayHost _host = new();

    private string Path => _host.Journal.Path;

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task What_is_in_it_is_listed_in_order_with_its_reason()
    {
        Message[] messages = await Samples.FillAsync(_host.Journal, 1200);
        Assert.Empty(Held());
        var rejected = Enumerable.Range(1, 1100).Select(static n => ((long)n, $"reason {n}"));
        Assert.True(_host.Journal.MarkDelivered(0, 1200, [.. rejected]).Succeeded);
        QuarantinedMessage[] held = Held();
        Assert.Equal(
            messages[..1100].Select(static m => (m.Id, m.Text)),
            held.Select(static h => (h.Entry.Message.Id, h.Entry.Message.Text)));
        Assert.Equal("reason 7", held[6].Reason);
        Assert.Equal(_host.Time.GetUtcNow().ToUnixTimeSeconds(), held[6].Since!.Value.ToUnixTimeSeconds());
    }

    [Fact]
    public async Task One_that_is_to_be_sent_again_comes_after_the_newest_message_and_others_stay()
    {
        Message[] messages = await QuarantineAsync(2, 3);
        Assert.Empty(Quarantine.Retry(Path, [messages[1].Id]));
        Assert.Equal([null, _host.Time.GetUtcNow().Date], Held().Select(static h => h.Since?.Date));
        _host.Start(RelayHost.Stored);
        await _host.Time.NextTimerAsync();
        Assert.Equal([["message 2"]], _host.Batches);
        Assert.Equal(["3 too large"], _host.Quarantined());
        Assert.Equal(6, _host.Watermark);
        Assert.Equal(["message 1", "message 3", "message 4", "message 5", "message 2"], Texts());
        await _host.Journal.AppendAsync(Samples.Message("next"));
        Assert.Equal(7, _host.Journal.LastSequence);
    }

    [Fact]
    public async Task All_of_them_are_sent_again_in_order_and_what_is_rejected_again_comes_back()
    {
        await Samples.FillAsync(_host.Journal, 1300);
        var rejected = Enumerable.Range(1, 1200).Select(static n => ((long)n, "too large"));
        Assert.True(_host.Journal.MarkDelivered(0, 1300, [.. rejected]).Succeeded);
        Assert.Equal(1200, Quarantine.RetryAll(Path));
        Assert.Equal(1200, Quarantine.RetryAll(Path));
        var rejection = new BatchOutcome(null, [new RejectedEntry(10, "still too large")]);
        Relay relay = _host.Start(batch => batch.Count == 1000 ? rejection : RelayHost.Stored);
        await _host.Time.NextTimerAsync();
        Assert.Equal(
            Enumerable.Range(1, 1200).Select(static n => $"message {n}"),
            _host.Batches.OrderByDescending(static batch => batch.Length).SelectMany(static batch => batch));
        Assert.Equal(["1311 still too large"], _host.Quarantined());
        Assert.Equal(["1 message is in quarantine: letterbox quarantine list"], relay.Notes);
    }

    [Fact]
    public async Task The_relay_finds_what_is_asked_for_while_it_runs()
    {
        Message[] messages = await QuarantineAsync(2);
        Relay relay = _host.Start(RelayHost.Stored);
        TimeSpan poll = await _host.Time.NextTimerAsync();
        Assert.Single(relay.Notes);
        Assert.Empty(Quarantine.Retry(Path, [messages[1].Id]));
        _host.Time.Advance(poll);
        await _host.Time.NextTimerAsync();
        Assert.Equal([["message 2"]], _host.Batches);
        Assert.Empty(relay.Notes);
        Assert.Empty(Held());
    }

    [Fact]
    public async Task One_that_is_dropped_is_gone_and_its_number_is_not_given_again()
    {
        Message[] messages = await QuarantineAsync(4, 5);
        Assert.Empty(Quarantine.Drop(Path, [messages[3].Id, messages[4].Id]));
        Assert.Empty(Held());
        await _host.ReopenAsync();
        Assert.Equal(["message 1", "message 2", "message 3"], Texts());
        await _host.Journal.AppendAsync(Samples.Message("next"));
        Assert.Equal(6, _host.Journal.LastSequence);
    }

    [Fact]
    public async Task A_strange_id_is_told_and_then_nothing_is_changed()
    {
        Message[] messages = await QuarantineAsync(2);
        MessageKey delivered = messages[0].Id, unknown = MessageKey.New(TimeProvider.System);
        MessageKey[] asked = [messages[1].Id, delivered, unknown];
        Assert.Equal([delivered, unknown], Quarantine.Retry(Path, asked));
        Assert.Equal([delivered, unknown], Quarantine.Drop(Path, asked));
        Assert.NotNull(Assert.Single(Held()).Since);
        Assert.Equal(5, Texts().Length);
    }

    [Fact]
    public async Task What_is_being_delivered_again_is_not_in_quarantine_and_cannot_be_dropped()
    {
        Message[] messages = await QuarantineAsync(2);
        Assert.Equal(4, Redelivery.Request(Path, default));
        Assert.Empty(Held());
        Assert.Equal([messages[1].Id], Quarantine.Drop(Path, [messages[1].Id]));
        Assert.Equal(0, Quarantine.RetryAll(Path));
    }

    [Fact]
    public async Task What_is_being_delivered_again_stays_in_its_place_though_a_retry_was_asked_for()
    {
        Message[] messages = await QuarantineAsync(2);
        Assert.Empty(Quarantine.Retry(Path, [messages[1].Id]));
        Assert.Equal(4, Redelivery.Request(Path, default));
        using JournalReader reader = JournalReader.Open(Path);
        Assert.False(reader.IsReleaseRequested());
        Assert.True(_host.Journal.ReleaseFromQuarantine().Succeeded);
        // As the batch does that holds it under its old number.
        Assert.True(_host.Journal.MarkDelivered(0, 5, [(2, "still too large")]).Succeeded);
        Assert.Equal("still too large", Assert.Single(Held()).Reason);
        Assert.Equal(1, reader.CountQuarantine());
    }

    [Fact]
    public void A_journal_that_is_not_there_is_named_and_not_made()
    {
        string path = _host.Folder.File("other.db");
        Assert.Contains(path, Assert.Throws<StoreException>(() => Quarantine.RetryAll(path)).Message);
        Assert.Contains(path, Assert.Throws<StoreException>(() => Quarantine.Drop(path, [])).Message);
        Assert.False(File.Exists(path));
    }

    // Five messages, delivered but for these.
    private async Task<Message[]> QuarantineAsync(params long[] numbers)
    {
        Message[] messages = await Samples.FillAsync(_host.Journal, 5);
        (long, string)[] rejected = [.. numbers.Select(static n => (n, "too large"))];
        Assert.True(_host.Journal.MarkDelivered(0, 5, rejected).Succeeded);
        return messages;
    }

    private QuarantinedMessage[] Held()
    {
        using JournalReader reader = JournalReader.Open(Path);
        return [.. reader.ReadQuarantine()];
    }

    private string[] Texts() => Samples.Texts(_host.Journal);
}
