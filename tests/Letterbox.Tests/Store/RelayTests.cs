// The relay over a real journal, with a scripted MongoDB and a clock that the test moves.

using System.Collections.Concurrent;
using System.Threading.Channels;
using Letterbox.Store;
using Letterbox.Tests.Support;
using SQLitePCL;

namespace Letterbox.Tests.Store;

public sealed class RelayTests : IAsyncLifetime
{
    private static readonly BatchOutcome s_stored = new(true, null, []);
    private static readonly BatchOutcome s_away = new(false, "no server", []);

    private readonly TempFolder _folder = new();
    private readonly ManualTime _time = new();
    private readonly RecordingLog _log = new();
    private readonly ConcurrentQueue<string[]> _batches = new();
    private readonly Channel<BatchOutcome> _script = Channel.CreateUnbounded<BatchOutcome>();
    private Journal _journal = null!;

    public ValueTask InitializeAsync()
    {
        _journal = Samples.OpenJournal(_folder, _time);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _journal.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task What_waits_in_the_journal_is_delivered_in_order_and_marked()
    {
        await Samples.FillAsync(_journal, 2500);
        await using (Relay relay = Start(s_stored, s_stored, s_stored))
        {
            Assert.Equal(TimeSpan.FromSeconds(5), await _time.NextTimerAsync());
            Assert.Equal(0, relay.Backlog);
            Assert.Null(relay.Fault);
        }

        Assert.Equal([1000, 1000, 500], _batches.Select(static batch => batch.Length));
        Assert.Equal(
            Enumerable.Range(1, 2500).Select(static n => $"message {n}"),
            _batches.SelectMany(static batch => batch));
        Assert.Equal(
            ["1000", "2000", "2500"],
            Samples.Query(_journal.Path, "SELECT seq FROM deliveries ORDER BY seq"));
        Assert.Empty(_log.Lines);
    }

    [Fact]
    public async Task News_wakes_it_without_any_time_passing()
    {
        await using Relay relay = Start(s_stored, s_stored);
        await _time.NextTimerAsync();
        await _journal.AppendAsync(Samples.Message("one"));
        await _time.NextTimerAsync();
        await _journal.AppendAsync(Samples.Message("two"));
        await _time.NextTimerAsync();
        Assert.Equal(["one", "two"], _batches.SelectMany(static batch => batch));
    }

    [Fact]
    public async Task A_restarted_relay_goes_on_where_the_mark_is()
    {
        await Samples.FillAsync(_journal, 1500);
        await using (Start(s_stored, s_away))
        {
            Assert.InRange(
                await _time.NextTimerAsync(), TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(100));
        }

        await using Relay second = Start(s_stored);
        await _time.NextTimerAsync();
        Assert.Equal([1000, 500, 500], _batches.Select(static batch => batch.Length));
        Assert.Equal(0, second.Backlog);
    }

    [Fact]
    public async Task Failures_are_tried_again_with_the_same_batch_and_longer_and_longer_pauses()
    {
        await Samples.FillAsync(_journal, 3);
        await using (Relay relay = Start([.. Enumerable.Repeat(s_away, 9), s_stored]))
        {
            double[] limits = [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000];
            foreach (double most in limits)
            {
                TimeSpan pause = await _time.NextTimerAsync();
                Assert.InRange(pause.TotalMilliseconds, most / 2, most);
                Assert.Equal("no server", relay.Fault);
                Assert.Equal(3, relay.Backlog);
                _time.Advance(pause);
            }

            Assert.Equal(TimeSpan.FromSeconds(5), await _time.NextTimerAsync());
            Assert.Null(relay.Fault);
        }

        Assert.Equal(10, _batches.Count);
        Assert.All(_batches, static batch => Assert.Equal(["message 1", "message 2", "message 3"], batch));
        Assert.Equal(
            ["Warning: messages do not reach MongoDB: no server; they are safe in the journal, trying on",
             "Information: messages reach MongoDB again, after 9 failures; 0 are waiting"],
            _log.Lines);
    }

    [Fact]
    public async Task News_does_not_shorten_the_pause_after_a_failure()
    {
        await Samples.FillAsync(_journal, 1);
        await using Relay relay = Start(s_away, s_stored, s_stored);
        TimeSpan pause = await _time.NextTimerAsync();
        // Many commits, so that a relay which they wake would long have delivered.
        for (int n = 0; n < 50; n++) await _journal.AppendAsync(Samples.Message("news"));
        Assert.Single(_batches);
        _time.Advance(pause);
        await _time.NextTimerAsync();
        Assert.Equal([1, 1, 50], _batches.Select(static batch => batch.Length));
    }

    [Fact]
    public async Task A_message_that_will_never_be_taken_goes_to_quarantine_and_holds_up_nobody()
    {
        Message[] messages = await Samples.FillAsync(_journal, 3);
        await using (Start(new BatchOutcome(true, null, [new RefusedEntry(1, "conflict")])))
        {
            await _time.NextTimerAsync();
        }

        Assert.Single(_batches);
        Assert.Equal(
            ["2 conflict"], Samples.Query(_journal.Path, "SELECT seq || ' ' || reason FROM quarantine"));
        Assert.Equal(["3"], Samples.Query(_journal.Path, "SELECT max(seq) FROM deliveries"));
        Assert.Equal(
            $"Error: MongoDB will never take message {messages[1].Id}: conflict; "
            + "it stays in the journal, in quarantine",
            Assert.Single(_log.Lines));
    }

    [Fact]
    public async Task When_the_mark_fails_the_batch_is_sent_again()
    {
        await Samples.FillAsync(_journal, 1);
        // Ends the purge at the start; it opens the journal again.
        FailCommits();
        await using Relay relay = Start(outcome =>
        {
            if (_batches.Count == 1) FailCommits();
            return s_stored;
        });
        _time.Advance(await _time.NextTimerAsync());
        await _time.NextTimerAsync();
        Assert.Equal([["message 1"], ["message 1"]], _batches);
        Assert.Equal(0, relay.Backlog);
        Assert.Contains("purged", _log.Lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fault_of_the_program_is_logged_and_does_not_end_it()
    {
        await Samples.FillAsync(_journal, 1);
        await using Relay relay = Start(_ => _batches.Count == 1 ? throw new IOException("bug") : s_stored);
        _time.Advance(await _time.NextTimerAsync());
        await _time.NextTimerAsync();
        Assert.Equal(2, _batches.Count);
        Assert.Equal(0, relay.Backlog);
    }

    [Fact]
    public async Task A_watermark_that_was_set_back_is_found_by_the_poll()
    {
        await Samples.FillAsync(_journal, 2);
        await using Relay relay = Start(s_stored, s_stored);
        TimeSpan poll = await _time.NextTimerAsync();
        Samples.Query(_journal.Path, "DELETE FROM deliveries");
        _time.Advance(poll);
        await _time.NextTimerAsync();
        Assert.Equal([["message 1", "message 2"], ["message 1", "message 2"]], _batches);
    }

    [Fact]
    public async Task Stopping_ends_a_pause_and_leaves_the_rest_in_the_journal()
    {
        await Samples.FillAsync(_journal, 1);
        Relay relay = Start(s_away);
        await _time.NextTimerAsync();
        await relay.DisposeAsync();
        Assert.Equal(1, relay.Backlog);
        Assert.Equal(["message 1"], Samples.Texts(_journal));
    }

    [Fact]
    public async Task It_purges_at_the_start_and_then_every_hour()
    {
        await Samples.FillAsync(_journal, 2);
        _journal.MarkDelivered(0, 1, []);
        _time.Advance(TimeSpan.FromDays(7));
        await using Relay relay = Start(s_stored);
        TimeSpan poll = await _time.NextTimerAsync();
        Assert.Equal(["message 2"], Samples.Texts(_journal));

        // The second was delivered just now: it goes with the first purge after seven days, an hourly one.
        TimeSpan passed = TimeSpan.Zero;
        while (Samples.Texts(_journal).Length > 0)
        {
            bool near = passed > TimeSpan.FromDays(7) - TimeSpan.FromHours(2);
            TimeSpan step = near ? poll : TimeSpan.FromMinutes(59);
            _time.Advance(step);
            passed += step;
            await _time.NextTimerAsync();
        }

        Assert.InRange(passed, TimeSpan.FromDays(7), TimeSpan.FromDays(7) + TimeSpan.FromHours(1) + poll);
    }

    private Relay Start(params BatchOutcome[] outcomes)
    {
        foreach (BatchOutcome outcome in outcomes) Assert.True(_script.Writer.TryWrite(outcome));
        return Start(_ => _script.Reader.TryRead(out BatchOutcome? next)
            ? next
            : throw new InvalidOperationException("one batch more than the script has"));
    }

    private void FailCommits() =>
        raw.sqlite3_commit_hook(_journal.Writer.Connection!.Handle, static _ => 1, null);

    private Relay Start(DeliverBatch deliver) => new(_journal, batch =>
    {
        _batches.Enqueue([.. batch.Select(static entry => entry.Message.Text)]);
        return deliver(batch);
    }, TimeSpan.FromDays(7), _time, _log);
}
