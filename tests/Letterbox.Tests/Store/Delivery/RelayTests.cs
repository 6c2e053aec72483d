// The relay over a real journal, with a scripted MongoDB and a clock that the test moves.

using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Tests.Store.Journal;
using static Letterbox.Tests.Store.Delivery.RelayHost;

namespace Letterbox.Tests.Store.Delivery;

public sealed class RelayTests : IAsyncDisposable
{
    private readonly RelayHost _host = new();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task What_waits_in_the_journal_is_delivered_in_order_and_marked()
    {
        await Samples.FillAsync(_host.Journal, 2500);
        await using (Relay relay = _host.Start(Stored, Stored, Stored))
        {
            Assert.Equal(TimeSpan.FromSeconds(5), await _host.Time.NextTimerAsync());
            Assert.Empty(relay.Notes);
        }

        Assert.Equal([500, 1000, 1000], _host.Sizes.Order());
        Assert.Equal(
            Enumerable.Range(1, 2500).Select(static n => $"message {n}").Order(),
            _host.Batches.SelectMany(static batch => batch).Order());
        Assert.Equal(
            ["1000", "2000", "2500"],
            Samples.Query(_host.Journal.Path, "SELECT seq FROM deliveries ORDER BY seq"));
        Assert.Empty(_host.Lines);
    }

    [Fact]
    public async Task A_damaged_row_is_logged_once_and_quarantined_and_all_others_are_delivered()
    {
        await Samples.FillAsync(_host.Journal, 5);
        Samples.Query(_host.Journal.Path, "UPDATE messages SET id = 'none' || seq WHERE seq IN (2, 5)");
        await using Relay relay = _host.Start(static _ => Stored);
        await _host.PassAsync();
        await _host.Time.NextTimerAsync();
        await _host.Journal.AppendAsync(Samples.Message("six"));
        await _host.Time.NextTimerAsync();
        Assert.Equal(
            ["message 1", "message 3", "message 4", "six"], _host.Batches.SelectMany(static batch => batch));
        Assert.Equal(["2 damaged", "5 damaged"], _host.Quarantined());
        Assert.Equal(
            [$"Error: the journal {_host.Journal.Path} is damaged: row 2 cannot be read",
             $"Error: the journal {_host.Journal.Path} is damaged: row 5 cannot be read"], _host.Lines);
    }

    [Fact]
    public async Task News_wakes_it_without_any_time_passing()
    {
        await using Relay relay = _host.Start(Stored, Stored);
        await _host.Time.NextTimerAsync();
        await _host.Journal.AppendAsync(Samples.Message("one"));
        await _host.Time.NextTimerAsync();
        await _host.Journal.AppendAsync(Samples.Message("two"));
        await _host.Time.NextTimerAsync();
        Assert.Equal(["one", "two"], _host.Batches.SelectMany(static batch => batch));
    }

    [Fact]
    public async Task A_restarted_relay_goes_on_where_the_mark_is()
    {
        await Samples.FillAsync(_host.Journal, 1500);
        await using (_host.Start(static batch => batch.Count == 1000 ? Stored : Away))
        {
            Assert.InRange((await _host.Time.NextTimerAsync()).TotalMilliseconds, 50, 100);
        }

        await using Relay second = _host.Start(Stored);
        await _host.Time.NextTimerAsync();
        Assert.Equal([500, 500, 1000], _host.Sizes.Order());
        Assert.Equal(0, second.Backlog);
    }

    [Fact]
    public async Task When_the_mark_fails_the_batch_is_sent_again()
    {
        await Samples.FillAsync(_host.Journal, 1);
        // Ends the purge at the start; it opens the journal again.
        _host.FailCommit();
        await using Relay relay = _host.Start(outcome =>
        {
            if (_host.Batches.Count == 1) _host.FailCommit();
            return Stored;
        });
        await _host.MarkedAsync(1);
        Assert.InRange(_host.Batches.Count, 2, 9);
        Assert.Contains("purged", _host.Lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fault_of_the_program_is_logged_and_does_not_end_it()
    {
        await Samples.FillAsync(_host.Journal, 1);
        await using Relay relay = _host.Start(
            _ => _host.Batches.Count == 1 ? throw new IOException("bug") : Stored);
        _host.Time.Advance(await _host.Time.NextTimerAsync());
        await _host.Time.NextTimerAsync();
        Assert.Equal(2, _host.Batches.Count);
        Assert.Equal(0, relay.Backlog);
    }

    [Fact]
    public async Task A_watermark_that_was_set_back_is_found_by_the_poll()
    {
        await Samples.FillAsync(_host.Journal, 2);
        await using Relay relay = _host.Start(Stored, Stored);
        TimeSpan poll = await _host.Time.NextTimerAsync();
        Samples.Query(_host.Journal.Path, "DELETE FROM deliveries");
        _host.Time.Advance(poll);
        await _host.Time.NextTimerAsync();
        Assert.Equal([["message 1", "message 2"], ["message 1", "message 2"]], _host.Batches);
    }

    [Fact]
    public async Task It_purges_at_the_start_and_then_every_hour()
    {
        await Samples.FillAsync(_host.Journal, 2);
        _host.Journal.MarkDelivered(0, 1, []);
        _host.Time.Advance(TimeSpan.FromDays(7));
        await using Relay relay = _host.Start(Stored);
        TimeSpan poll = await _host.Time.NextTimerAsync();
        Assert.Equal(["message 2"], Samples.Texts(_host.Journal));

        // The second was delivered just now: it goes with the first purge after seven days, an hourly one.
        TimeSpan passed = TimeSpan.Zero;
        while (Samples.Texts(_host.Journal).Length > 0)
        {
            bool near = passed > TimeSpan.FromDays(7) - TimeSpan.FromHours(2);
            TimeSpan step = near ? poll : TimeSpan.FromMinutes(59);
            _host.Time.Advance(step);
            passed += step;
            await _host.Time.NextTimerAsync();
        }

        Assert.InRange(passed, TimeSpan.FromDays(7), TimeSpan.FromDays(7) + TimeSpan.FromHours(1) + poll);
    }

    [Fact]
    public async Task A_mark_that_fails_takes_the_batch_in_flight_with_it()
    {
        await Samples.FillAsync(_host.Journal, 1500);
        bool failed = false;
        _host.Start(batch =>
        {
            if (batch.Count == 1000 && !failed) _host.FailCommit();
            failed |= batch.Count == 1000;
            return Stored;
        });
        await _host.MarkedAsync(1500);
        Assert.All([500, 1000], size => Assert.InRange(_host.Sizes.Count(n => n == size), 2, 9));
    }

    [Fact]
    public async Task The_next_batch_does_not_wait_for_the_mark_of_the_one_before()
    {
        await Samples.FillAsync(_host.Journal, 1500);
        using var second = new ManualResetEventSlim();
        // News holds up the journal's writer, and so the mark, until the second batch is in flight.
        bool inFlight = false;
        _host.Journal.Grown += (_, _) => inFlight = second.Wait(TimeSpan.FromSeconds(30));
        Task<Receipt>? news = null;
        _host.Start(batch =>
        {
            if (batch.Count == 1000) news = _host.Journal.AppendAsync(Samples.Message("news")).AsTask();
            else second.Set();
            return Stored;
        });
        await _host.MarkedAsync(1501);
        Assert.True(inFlight);
        Assert.Equal(1501, _host.Sizes.Sum());
    }

    [Fact]
    public async Task A_purge_that_fails_is_told_once_and_when_it_works_again()
    {
        using (Samples.Lock(_host.Journal.Path))
        {
            _host.Start();
            await _host.Time.NextTimerAsync();
            // The hour may pass before the relay has woken, or after its check: it checks once more.
            _host.Time.Advance(TimeSpan.FromHours(1));
            await _host.PassAsync();
            await _host.Time.NextTimerAsync();
        }

        _host.Time.Advance(TimeSpan.FromHours(1));
        while (_host.Lines.Count < 2) await _host.PassAsync();
        Assert.Equal(
            ["Warning: delivered messages cannot be purged: another program has locked the journal; "
             + "retrying",
             "Information: delivered messages are purged again"],
            _host.Lines);
    }
}
