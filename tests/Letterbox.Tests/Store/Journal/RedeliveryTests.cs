// `letterbox redeliver`: what goes to MongoDB again, and that nothing is left out when it comes in between.

using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Tests.Store.Delivery;

namespace Letterbox.Tests.Store.Journal;

public sealed class RedeliveryTests : IAsyncDisposable
{
    private static readonly TimeSpan s_hour = TimeSpan.FromHours(1);

    private readonly RelayHost _host = new();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task What_was_delivered_since_then_will_be_delivered_again()
    {
        await Samples.FillAsync(_host.Journal, 5);
        DateTimeOffset[] at = new DateTimeOffset[3];
        for (int batch = 0; batch < 2; batch++)
        {
            at[batch] = _host.Time.GetUtcNow();
            Assert.True(_host.Journal.MarkDelivered(2 * batch, 2 * batch + 2, []).Succeeded);
            _host.Time.Advance(s_hour);
        }

        Assert.Equal(0, Redelivery.Request(_host.Journal.Path, at[1].AddMilliseconds(1)));
        Assert.Equal(4, _host.Watermark);
        Assert.Equal(2, Redelivery.Request(_host.Journal.Path, at[1]));
        Assert.Equal(2, _host.Watermark);
        Assert.Equal(2, Redelivery.Request(_host.Journal.Path, at[0]));
        Assert.Equal(0, _host.Watermark);
        Assert.Equal(0, Redelivery.Request(_host.Journal.Path, at[0]));
    }

    [Fact]
    public async Task A_batch_after_one_that_goes_again_goes_again_whatever_the_clock_said()
    {
        await Samples.FillAsync(_host.Journal, 3);
        Assert.True(_host.Journal.MarkDelivered(0, 1, []).Succeeded);
        _host.Time.Advance(s_hour);
        Assert.True(_host.Journal.MarkDelivered(1, 2, []).Succeeded);
        _host.Time.Advance(-2 * s_hour);
        Assert.True(_host.Journal.MarkDelivered(2, 3, []).Succeeded);
        _host.Time.Advance(2 * s_hour);
        Assert.Equal(2, Redelivery.Request(_host.Journal.Path, _host.Time.GetUtcNow()));
        Assert.Equal(1, _host.Watermark);
    }

    [Fact]
    public async Task A_batch_that_was_on_its_way_does_not_mark_what_is_to_go_again()
    {
        await Samples.FillAsync(_host.Journal, 2);
        Assert.True(_host.Journal.MarkDelivered(0, 1, []).Succeeded);
        _host.Start(_ =>
        {
            if (_host.Batches.Count == 1) Assert.Equal(1, Redelivery.Request(_host.Journal.Path, default));
            return RelayHost.Stored;
        });
        await _host.Time.NextTimerAsync();
        Assert.Equal([["message 2"], ["message 1", "message 2"]], _host.Batches);
        Assert.Equal(2, _host.Watermark);
    }

    [Fact]
    public async Task A_long_way_is_begun_again_from_where_the_watermark_was_set_back_to()
    {
        await Samples.FillAsync(_host.Journal, 5500);
        int batches = 0;
        _host.Start(_ =>
        {
            // Three are in flight at most: when the fifth is, two have been marked.
            if (Interlocked.Increment(ref batches) == 5) Redelivery.Request(_host.Journal.Path, default);
            return RelayHost.Stored;
        });
        await _host.Time.NextTimerAsync();
        Assert.Equal(2, _host.Batches.Count(static batch => batch[0] == "message 1"));
        Assert.Equal(5500, _host.Watermark);
    }

    [Fact]
    public async Task What_was_purged_stays_purged_and_changes_nothing()
    {
        await Samples.FillAsync(_host.Journal, 3);
        Assert.True(_host.Journal.MarkDelivered(0, 3, [(2, "too large")]).Succeeded);
        Assert.True(_host.Journal.Purge(TimeSpan.Zero, CancellationToken.None).Succeeded);
        Assert.Equal(0, Redelivery.Request(_host.Journal.Path, default));
        Assert.Equal(3, _host.Watermark);
    }

    [Fact]
    public async Task What_is_in_quarantine_is_tried_again_and_judged_anew()
    {
        await Samples.FillAsync(_host.Journal, 4);
        Assert.True(_host.Journal.MarkDelivered(0, 4, [(2, "too large"), (3, "conflict")]).Succeeded);
        Assert.Equal(2, Redelivery.Request(_host.Journal.Path, default));
        Assert.True(_host.Journal.MarkDelivered(0, 4, [(3, "still a conflict")]).Succeeded);
        Assert.Equal(
            ["3 still a conflict"],
            Samples.Query(_host.Journal.Path, "SELECT seq || ' ' || reason FROM quarantine"));
    }

    [Fact]
    public async Task Messages_are_stored_while_a_great_many_deliveries_are_taken_back()
    {
        await Samples.FillAsync(_host.Journal, 1);
        Samples.Query(_host.Journal.Path, """
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000)
            INSERT INTO deliveries (seq, at) SELECT i, 1 FROM n
            """);
        Task<long> request = Task.Run(() => Redelivery.Request(_host.Journal.Path, default));
        int stored = 1;
        for (; !request.IsCompleted; stored++)
        {
            Receipt receipt = await _host.Journal.AppendAsync(Samples.Message("meanwhile"));
            Assert.Equal(ReceiptKind.Stored, receipt.Kind);
        }

        // Those that were stored before it counted are below the greatest delivery too.
        Assert.InRange(await request, 1, stored);
        Assert.Equal(0, _host.Watermark);
    }

    [Fact]
    public void A_journal_that_is_not_there_is_named_and_not_made()
    {
        string path = _host.Folder.File("other.db");
        StoreException failure = Assert.Throws<StoreException>(() => Redelivery.Request(path, default));
        Assert.Contains(path, failure.Message);
        Assert.False(File.Exists(path));
    }

    // Whatever happens to a journal, a new message is after the watermark: otherwise no relay would
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
            long watermark = _host.Watermark;
            switch (random.Next(7))
            {
                case 0 when watermark < _host.Journal.LastSequence:
                    long upTo = random.NextInt64(watermark + 1, _host.Journal.LastSequence + 1);
                    (long, string)[] rejected = random.Next(3) == 0 ? [(upTo, "no")] : [];
                    Assert.True(_host.Journal.MarkDelivered(watermark, upTo, rejected).Succeeded);
                    break;
                case 1:
                    _host.Time.Advance(s_hour * random.Next(-1, 3));
                    break;
                case 2:
                    Assert.True(
                        _host.Journal.Purge(s_hour * random.Next(2), CancellationToken.None).Succeeded);
                    break;
                case 3:
                    DateTimeOffset since = _host.Time.GetUtcNow() - (s_hour * random.Next(5));
                    Redelivery.Request(_host.Journal.Path, since);
                    break;
                case 4:
                    await _host.ReopenAsync();
                    break;
                case 5:
                    Quarantine.RetryAll(_host.Journal.Path);
                    Assert.True(_host.Journal.ReleaseFromQuarantine().Succeeded);
                    break;
                default:
                    await Samples.FillAsync(_host.Journal, 1);
                    string number = Assert.Single(
                        Samples.Query(_host.Journal.Path, "SELECT max(seq) FROM messages"));
                    Assert.True(numbers.Add(number), $"{number} was given twice, step {step}");
                    bool ahead = _host.Journal.LastSequence > _host.Watermark;
                    Assert.True(ahead, $"{number} is skipped, step {step}");
                    break;
            }
        }
    }
}
