// What leaves the journal, and when: delivered, long enough ago, and not in quarantine.

using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Journal;

public sealed class JournalPurgeTests : IDisposable
{
    private static readonly TimeSpan s_keep = TimeSpan.FromDays(7);
    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(1);

    private readonly TempFolder _folder = new();
    private readonly ManualTime _time = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Each_batch_goes_exactly_when_it_has_been_delivered_for_long_enough()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder, _time);
        await Samples.FillAsync(journal, 6);
        Assert.True(journal.MarkDelivered(0, 2, []).Succeeded);
        _time.Advance(TimeSpan.FromHours(1));
        Assert.True(journal.MarkDelivered(2, 4, []).Succeeded);

        _time.Advance(s_keep - TimeSpan.FromHours(1) - s_tick);
        Assert.Equal(["1", "2", "3", "4", "5", "6"], Purged(journal));
        _time.Advance(s_tick);
        Assert.Equal(["3", "4", "5", "6"], Purged(journal));
        _time.Advance(TimeSpan.FromHours(1) - s_tick);
        Assert.Equal(["3", "4", "5", "6"], Purged(journal));
        _time.Advance(s_tick);
        Assert.Equal(["5", "6"], Purged(journal));
        _time.Advance(s_keep * 100);
        Assert.Equal(["5", "6"], Purged(journal));
    }

    [Fact]
    public async Task What_was_never_delivered_stays_for_ever()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder, _time);
        await Samples.FillAsync(journal, 3);
        _time.Advance(s_keep * 100);
        Assert.Equal(["1", "2", "3"], Purged(journal));
    }

    [Fact]
    public async Task What_is_in_quarantine_stays_for_ever_with_its_reason()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder, _time);
        await Samples.FillAsync(journal, 3);
        Assert.True(journal.MarkDelivered(0, 3, [(2, "too large")]).Succeeded);
        _time.Advance(s_keep);
        Assert.Equal(["2"], Purged(journal));
        Assert.Equal(
            ["2 too large"], Samples.Query(journal.Path, "SELECT seq || ' ' || reason FROM quarantine"));
    }

    [Fact]
    public async Task The_watermark_outlives_every_purge()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder, _time);
        await Samples.FillAsync(journal, 3);
        for (int upTo = 1; upTo <= 3; upTo++) journal.MarkDelivered(upTo - 1, upTo, []);
        _time.Advance(s_keep);
        Assert.Empty(Purged(journal));
        using JournalReader reader = JournalReader.Open(journal.Path);
        Assert.Equal(3, reader.ReadWatermark());
        Assert.Equal(["3"], Samples.Query(journal.Path, "SELECT seq FROM deliveries"));
    }

    [Fact]
    public async Task A_large_purge_goes_in_steps_and_ends_when_all_is_done()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder, _time);
        await Samples.FillAsync(journal, 1700);
        for (int upTo = 1; upTo <= 700; upTo++) journal.MarkDelivered(upTo - 1, upTo, []);
        journal.MarkDelivered(700, 1600, []);
        _time.Advance(s_keep);
        int steps = 0;
        for (bool more = true; more; more = journal.Writer.HasMore, steps++)
            Assert.True(journal.Writer.Purge(_time.GetUtcNow() - s_keep).Succeeded);
        Assert.Equal(4, steps);
        Assert.Equal(100, Samples.Texts(journal).Length);
        Assert.Equal(["1600"], Samples.Query(journal.Path, "SELECT seq FROM deliveries"));
    }

    [Fact]
    public async Task A_purge_that_is_told_to_stop_does_not_begin_another_step()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder, _time);
        await Samples.FillAsync(journal, 10);
        journal.MarkDelivered(0, 10, []);
        _time.Advance(s_keep);
        Assert.True(journal.Purge(s_keep, new CancellationToken(canceled: true)).Succeeded);
        Assert.Equal(10, Samples.Texts(journal).Length);
    }

    [Fact]
    public async Task A_purged_message_that_is_sent_again_is_a_message()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder, _time);
        Message[] messages = await Samples.FillAsync(journal, 1);
        journal.MarkDelivered(0, 1, []);
        _time.Advance(s_keep);
        Assert.Empty(Purged(journal));
        Assert.Equal(Receipt.Stored(messages[0].Id), await journal.AppendAsync(messages[0]));
        Assert.Equal(2, journal.LastSequence);
    }

    private static string[] Purged(MessageJournal journal)
    {
        Assert.True(journal.Purge(s_keep, CancellationToken.None).Succeeded);
        return Samples.Query(journal.Path, "SELECT seq FROM messages ORDER BY seq");
    }
}
