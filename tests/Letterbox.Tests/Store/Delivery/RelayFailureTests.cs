// The relay when MongoDB cannot be reached, or rejects a message.

using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Journal;
using Letterbox.Tests.Store.Journal;
using Letterbox.Tests.Support;
using static Letterbox.Tests.Store.Delivery.RelayHost;

namespace Letterbox.Tests.Store.Delivery;

public sealed class RelayFailureTests : IAsyncDisposable
{
    private readonly RelayHost _host = new();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Failures_are_tried_again_with_the_same_batch_and_longer_and_longer_pauses()
    {
        await Samples.FillAsync(_host.Journal, 3);
        await using (Relay relay = _host.Start([.. Enumerable.Repeat(Away, 9), Stored]))
        {
            double[] limits = [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000];
            foreach (double most in limits)
            {
                TimeSpan pause = await _host.Time.NextTimerAsync();
                Assert.InRange(pause.TotalMilliseconds, most / 2, most);
                Assert.Equal(["messages do not reach MongoDB: no server, 3 are waiting"], relay.Notes);
                _host.Time.Advance(pause);
            }

            Assert.Equal(TimeSpan.FromSeconds(5), await _host.Time.NextTimerAsync());
            Assert.Empty(relay.Notes);
        }

        Assert.Equal(10, _host.Batches.Count);
        string[] all = ["message 1", "message 2", "message 3"];
        Assert.All(_host.Batches, batch => Assert.Equal(all, batch));
        Assert.Equal(
            ["Warning: messages do not reach MongoDB: no server; they are safe in the journal, retrying",
             "Information: messages reach MongoDB again, after 9 failures; 0 are waiting"],
            _host.Lines);
    }

    [Fact]
    public async Task MongoDB_is_asked_at_the_start_and_not_first_by_a_message()
    {
        int tries = 0;
        _host.Probe = () => ++tries < 3 ? Away : Stored;
        await using Relay relay = _host.Start();
        await _host.PassAsync();
        TimeSpan pause = await _host.Time.NextTimerAsync();
        Assert.Equal(["messages do not reach MongoDB: no server, 0 are waiting"], relay.Notes);
        _host.Time.Advance(pause);
        await _host.Time.NextTimerAsync();
        Assert.Empty(relay.Notes);
        Assert.Equal(
            ["Warning: messages do not reach MongoDB: no server; they are safe in the journal, retrying",
             "Information: MongoDB is reached",
             "Information: messages reach MongoDB again, after 2 failures; 0 are waiting"],
            _host.Log.Lines);
    }

    [Fact]
    public async Task News_does_not_shorten_the_pause_after_a_failure()
    {
        await Samples.FillAsync(_host.Journal, 1);
        _host.Start(Away, Stored);
        TimeSpan pause = await _host.Time.NextTimerAsync();
        // Many commits, so that a relay which they wake would long have delivered.
        for (int n = 0; n < 50; n++) await _host.Journal.AppendAsync(Samples.Message("news"));
        Assert.Single(_host.Batches);
        _host.Time.Advance(pause);
        await _host.Time.NextTimerAsync();
        Assert.Equal([1, 51], _host.Sizes);
    }

    [Fact]
    public async Task A_fault_of_the_place_is_tried_again_slowly_and_told_once()
    {
        await Samples.FillAsync(_host.Journal, 2);
        var denied = new BatchOutcome(new DeliveryFailure("not authorized", NeedsOperator: true), []);
        Relay relay = _host.Start(Away, denied, denied, denied, denied, Stored);
        await _host.PassAsync();
        await _host.PassAsync();
        for (int attempt = 0; attempt < 3; attempt++)
        {
            TimeSpan pause = await _host.Time.NextTimerAsync();
            Assert.InRange(pause, TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(30));
            Assert.Equal(["messages do not reach MongoDB: not authorized, 2 are waiting"], relay.Notes);
            _host.Time.Advance(pause);
        }

        Assert.Equal(TimeSpan.FromSeconds(5), await _host.Time.NextTimerAsync());
        Assert.Empty(relay.Notes);
        Assert.Empty(_host.Quarantined());
        Assert.Equal(
            ["Warning: messages do not reach MongoDB: no server; they are safe in the journal, retrying",
             "Error: messages do not reach MongoDB: not authorized; they are safe in the journal, but "
             + "this must be fixed; retrying every 15 to 30 s",
             "Information: messages reach MongoDB again, after 5 failures; 0 are waiting"],
            _host.Lines);
    }

    [Fact]
    public async Task A_message_that_will_never_be_taken_goes_to_quarantine_and_delays_no_other()
    {
        Message[] messages = await Samples.FillAsync(_host.Journal, 3);
        await using (_host.Start(new BatchOutcome(null, [new RejectedEntry(1, "too large")])))
        {
            await _host.Time.NextTimerAsync();
        }

        Assert.Single(_host.Batches);
        Assert.Equal(["2 too large"], _host.Quarantined());
        Assert.Equal(3, _host.Watermark);
        Assert.Equal(
            $"Error: MongoDB rejects message {messages[1].Id}: too large; "
            + "kept in the journal, in quarantine",
            Assert.Single(_host.Lines));
    }

    [Fact]
    public async Task Many_that_will_never_be_taken_are_told_in_one_line()
    {
        Message[] messages = await Samples.FillAsync(_host.Journal, 3);
        _host.Start(new BatchOutcome(null, [new RejectedEntry(1, "a"), new RejectedEntry(2, "b")]));
        await _host.Time.NextTimerAsync();
        Assert.Equal(["2 a", "3 b"], _host.Quarantined());
        Assert.Equal(
            $"Error: MongoDB rejects message {messages[1].Id} and 1 more: a; "
            + "kept in the journal, in quarantine",
            Assert.Single(_host.Lines));
    }

    [Fact]
    public async Task A_rejection_that_is_not_marked_is_not_logged()
    {
        await Samples.FillAsync(_host.Journal, 1);
        int asked = 0;
        _host.Start(batch =>
        {
            if (batch[^1].Sequence == 1) return Stored;
            if (asked++ == 0) Assert.Equal(1, Redelivery.Request(_host.Journal.Path, default));
            return new BatchOutcome(null, [new RejectedEntry(batch.Count - 1, "too large")]);
        });
        await _host.Time.NextTimerAsync();
        await _host.Journal.AppendAsync(Samples.Message("rejected"));
        await Eventually.IsAsync(() => _host.Watermark == 2);
        await _host.Time.NextTimerAsync();
        Assert.Equal([1, 1, 2], _host.Sizes);
        Assert.Equal(["2 too large"], _host.Quarantined());
        Assert.Single(_host.Lines);
    }

    [Fact]
    public async Task A_rejection_with_an_unknown_code_delays_other_messages_for_a_minute_at_most()
    {
        await Samples.FillAsync(_host.Journal, 3);
        Relay relay = _host.Start(batch =>
        {
            RejectedEntry[] strange =
            [
                .. batch.Index().Where(static at => at.Item.Message.Text == "message 2")
                    .Select(static at => new RejectedEntry(at.Index, "strange", IsPermanent: false)),
            ];
            return new BatchOutcome(null, strange);
        });
        DateTimeOffset begin = _host.Time.GetUtcNow();
        while (_host.Watermark < 3) await _host.PassAsync();
        Assert.InRange((_host.Time.GetUtcNow() - begin).TotalSeconds, 60, 80);
        Assert.Equal(["2 strange"], _host.Quarantined());

        // The next one is not waited for any more.
        await _host.Time.NextTimerAsync();
        begin = _host.Time.GetUtcNow();
        await Samples.FillAsync(_host.Journal, 3);
        while (_host.Watermark < 6) await _host.PassAsync();
        Assert.Equal(["2 strange", "5 strange"], _host.Quarantined());
        Assert.InRange((_host.Time.GetUtcNow() - begin).TotalSeconds, 0, 30);
        while (relay.Notes is not ["2 messages are in quarantine: letterbox quarantine list"])
            await _host.PassAsync();
    }

    [Fact]
    public async Task A_rejection_with_an_unknown_code_is_not_final_while_mongodb_stores_nothing()
    {
        await Samples.FillAsync(_host.Journal, 1);
        var strange = new RejectedEntry(0, "strange", IsPermanent: false);
        _host.Start(batch => new BatchOutcome(null, batch.Count == 1 ? [strange] : []));
        DateTimeOffset begin = _host.Time.GetUtcNow();
        while (_host.Time.GetUtcNow() - begin < TimeSpan.FromMinutes(3)) await _host.PassAsync();
        Assert.Equal(0, _host.Watermark);
        Assert.Empty(_host.Quarantined());
        // A neighbour comes, and now both are taken.
        await Samples.FillAsync(_host.Journal, 1);
        while (_host.Watermark < 2) await _host.PassAsync();
        Assert.Empty(_host.Quarantined());
    }

    [Fact]
    public async Task The_minute_begins_when_a_neighbour_is_taken_however_long_nothing_was_before()
    {
        await Samples.FillAsync(_host.Journal, 2);
        bool comesBack = false;
        RejectedEntry[] both = [new(0, "strange", IsPermanent: false), new(1, "strange", IsPermanent: false)];
        _host.Start(_ => new BatchOutcome(null, Volatile.Read(ref comesBack) ? both[..1] : both));
        DateTimeOffset begin = _host.Time.GetUtcNow();
        while (_host.Time.GetUtcNow() - begin < TimeSpan.FromMinutes(3)) await _host.PassAsync();
        Volatile.Write(ref comesBack, true);
        begin = _host.Time.GetUtcNow();
        while (_host.Watermark < 2) await _host.PassAsync();
        Assert.InRange((_host.Time.GetUtcNow() - begin).TotalSeconds, 60, 80);
        Assert.Equal(["1 strange"], _host.Quarantined());
    }
}
