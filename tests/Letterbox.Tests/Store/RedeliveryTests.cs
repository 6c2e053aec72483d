// `letterbox redeliver`: what goes to MongoDB again, and that nothing is left out when it comes in between.

using Letterbox.Store;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store;

public sealed class RedeliveryTests : IAsyncLifetime
{
    private static readonly TimeSpan s_hour = TimeSpan.FromHours(1);

    private readonly TempFolder _folder = new();
    private readonly ManualTime _time = new();
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
    public async Task What_was_delivered_since_then_will_be_delivered_again()
    {
        await Samples.FillAsync(_journal, 5);
        DateTimeOffset[] at = new DateTimeOffset[3];
        for (int batch = 0; batch < 2; batch++)
        {
            at[batch] = _time.GetUtcNow();
            Assert.Null(_journal.MarkDelivered(2 * batch, 2 * batch + 2, []));
            _time.Advance(s_hour);
        }

        Assert.Equal(0, Redelivery.Request(_journal.Path, at[1].AddMilliseconds(1)));
        Assert.Equal(4, Watermark());
        Assert.Equal(2, Redelivery.Request(_journal.Path, at[1]));
        Assert.Equal(2, Watermark());
        Assert.Equal(2, Redelivery.Request(_journal.Path, at[0]));
        Assert.Equal(0, Watermark());
        Assert.Equal(0, Redelivery.Request(_journal.Path, at[0]));
    }

    [Fact]
    public async Task A_batch_after_one_that_goes_again_goes_again_whatever_the_clock_said()
    {
        await Samples.FillAsync(_journal, 3);
        Assert.Null(_journal.MarkDelivered(0, 1, []));
        _time.Advance(s_hour);
        Assert.Null(_journal.MarkDelivered(1, 2, []));
        _time.Advance(-2 * s_hour);
        Assert.Null(_journal.MarkDelivered(2, 3, []));
        _time.Advance(2 * s_hour);
        Assert.Equal(2, Redelivery.Request(_journal.Path, _time.GetUtcNow()));
        Assert.Equal(1, Watermark());
    }

    [Fact]
    public async Task A_batch_that_was_on_its_way_does_not_mark_what_is_to_go_again()
    {
        await Samples.FillAsync(_journal, 2);
        Assert.Null(_journal.MarkDelivered(0, 1, []));
        var delivered = new List<string>();
        await using (new Relay(_journal, Deliver, TimeSpan.FromDays(7), _time, new RecordingLog()))
            await _time.NextTimerAsync();
        Assert.Equal(["message 2", "message 1", "message 2"], delivered);
        Assert.Equal(2, Watermark());

        BatchOutcome Deliver(IReadOnlyList<JournalEntry> batch)
        {
            if (delivered.Count == 0) Assert.Equal(1, Redelivery.Request(_journal.Path, default));
            delivered.AddRange(batch.Select(static entry => entry.Message.Text));
            return new BatchOutcome(true, null, []);
        }
    }

    [Fact]
    public async Task What_was_purged_stays_purged_and_changes_nothing()
    {
        await Samples.FillAsync(_journal, 3);
        Assert.Null(_journal.MarkDelivered(0, 3, [(2, "too large")]));
        Assert.Null(_journal.Purge(TimeSpan.Zero, CancellationToken.None));
        Assert.Equal(0, Redelivery.Request(_journal.Path, default));
        Assert.Equal(3, Watermark());
    }

    [Fact]
    public async Task What_is_in_quarantine_is_tried_again_and_judged_anew()
    {
        await Samples.FillAsync(_journal, 4);
        Assert.Null(_journal.MarkDelivered(0, 4, [(2, "too large"), (3, "conflict")]));
        Assert.Equal(2, Redelivery.Request(_journal.Path, default));
        Assert.Null(_journal.MarkDelivered(0, 4, [(3, "still a conflict")]));
        Assert.Equal(
            ["3 still a conflict"],
            Samples.Query(_journal.Path, "SELECT seq || ' ' || reason FROM quarantine"));
    }

    [Fact]
    public void A_journal_that_is_not_there_is_named_and_not_made()
    {
        string path = _folder.File("other.db");
        StoreException fault = Assert.Throws<StoreException>(() => Redelivery.Request(path, default));
        Assert.Contains(path, fault.Message);
        Assert.False(File.Exists(path));
    }

    // Whatever happens to a journal, a message that comes in is after the watermark: else nobody would
    // deliver it. And no number is given twice.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_new_message_always_comes_after_the_watermark_and_under_a_new_number(int seed)
    {
        var random = new Random(seed);
        var numbers = new HashSet<string>();
        for (int step = 0; step < 300; step++)
        {
            long watermark = Watermark();
            switch (random.Next(6))
            {
                case 0 when watermark < _journal.LastSequence:
                    long upTo = random.NextInt64(watermark + 1, _journal.LastSequence + 1);
                    bool refused = random.Next(3) == 0;
                    Assert.Null(_journal.MarkDelivered(watermark, upTo, refused ? [(upTo, "no")] : []));
                    break;
                case 1:
                    _time.Advance(s_hour * random.Next(-1, 3));
                    break;
                case 2:
                    Assert.Null(_journal.Purge(s_hour * random.Next(2), CancellationToken.None));
                    break;
                case 3:
                    Redelivery.Request(_journal.Path, _time.GetUtcNow() - (s_hour * random.Next(5)));
                    break;
                case 4:
                    await _journal.DisposeAsync();
                    _journal = Samples.OpenJournal(_folder, _time);
                    break;
                default:
                    await Samples.FillAsync(_journal, 1);
                    string number = Assert.Single(
                        Samples.Query(_journal.Path, "SELECT max(seq) FROM messages"));
                    Assert.True(numbers.Add(number), $"{number} was given twice, step {step}");
                    Assert.True(_journal.LastSequence > Watermark(), $"{number} is skipped, step {step}");
                    break;
            }
        }
    }

    private long Watermark()
    {
        using JournalReader reader = JournalReader.Open(_journal.Path);
        return reader.ReadWatermark();
    }
}
