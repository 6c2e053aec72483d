// The limits of the journal: messages wait before the disk is full, and are accepted again when there is
// space.

using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Journal;

public sealed class JournalCapacityTests : IDisposable
{
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);
    private static readonly string s_long = new('x', 4000);

    private readonly TempFolder _folder = new();
    private readonly ManualTime _time = new();
    private readonly RecordingLog _log = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_full_journal_takes_no_more_until_a_purge_has_made_room()
    {
        var bounds = new JournalBounds { BytesMax = 256 * 1024 };
        await using MessageJournal journal = MessageJournal.Open(_folder.Path, _time, _log, bounds);
        Receipt full = Receipt.Later("the journal is full");
        await FillAsync(journal, full);
        int stored = Samples.Texts(journal).Length;
        Assert.InRange(stored, 40, 64);
        Assert.Equal(full, await journal.AppendAsync(Samples.Message("short")));
        Assert.Equal(full.Reason, journal.Failure);

        Assert.True(journal.IsShortOfSpace);

        // A purge checks the space itself, without waiting for the next message.
        Assert.True(journal.MarkDelivered(0, journal.LastSequence, []).Succeeded);
        Assert.True(journal.Purge(TimeSpan.Zero, CancellationToken.None).Succeeded);
        Assert.False(journal.IsShortOfSpace);
        Assert.Equal(ReceiptKind.Stored, (await journal.AppendAsync(Samples.Message("short"))).Kind);
        Assert.Null(journal.Failure);
        await FillAsync(journal, full);
        // The file does not grow: what was purged is written over.
        Assert.InRange(Samples.Texts(journal).Length, stored - 5, stored + 5);
    }

    [Fact]
    public async Task A_disk_that_is_nearly_full_keeps_its_reserve_for_marks_and_others()
    {
        using var disk = new SmallDisk(mebibytes: 4);
        var bounds = new JournalBounds { DiskReserve = 1 << 20 };
        await using MessageJournal journal = MessageJournal.Open(disk.Path, _time, _log, bounds);
        await Samples.FillAsync(journal, 3);
        disk.FillUpTo(free: (1 << 20) - 4096);
        _time.Advance(s_look);
        Message message = Samples.Message("waits");
        Assert.Equal(Receipt.Later("the disk is nearly full"), await journal.AppendAsync(message));
        Assert.True(journal.MarkDelivered(0, 2, []).Succeeded);

        disk.Empty();
        // It checks once a second at most.
        _time.Advance(s_look - TimeSpan.FromMilliseconds(1));
        Assert.Equal(ReceiptKind.Later, (await journal.AppendAsync(message)).Kind);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(Receipt.Stored(message.Id), await journal.AppendAsync(message));
        Assert.Equal(
            ["Error: messages cannot be stored: the disk is nearly full; senders are asked to wait",
             "Information: messages are stored again; 2 batches had to wait"],
            _log.Lines);
    }

    [Fact]
    public async Task A_small_disk_keeps_a_tenth_of_itself_unless_told_otherwise()
    {
        using var disk = new SmallDisk(mebibytes: 10);
        await using MessageJournal journal = MessageJournal.Open(disk.Path, _time, _log);
        await Samples.FillAsync(journal, 3);
        disk.FillUpTo(free: (1 << 20) + 65536);
        _time.Advance(s_look);
        Assert.Equal(ReceiptKind.Stored, (await journal.AppendAsync(Samples.Message("fits"))).Kind);
        disk.Empty();
        disk.FillUpTo(free: (1 << 20) - 4096);
        _time.Advance(s_look);
        Assert.Equal(
            Receipt.Later("the disk is nearly full"), await journal.AppendAsync(Samples.Message("waits")));
    }

    [Fact]
    public async Task A_tiny_disk_that_is_nearly_full_stays_so_until_space_is_freed()
    {
        using var disk = new SmallDisk(mebibytes: 4);
        await using MessageJournal journal = MessageJournal.Open(disk.Path, _time, _log);
        await FillAsync(journal, Receipt.Later("the disk is nearly full"));
        for (int n = 0; n < 120; n++)
        {
            await journal.AppendAsync(Samples.Message("short"));
            _time.Advance(s_look);
        }

        Assert.Equal(
            ["Error: messages cannot be stored: the disk is nearly full; senders are asked to wait"],
            _log.Lines);
    }

    [Fact]
    public async Task What_a_purge_has_freed_inside_the_file_counts_as_free()
    {
        using var disk = new SmallDisk(mebibytes: 4);
        var bounds = new JournalBounds { DiskReserve = 1 << 20 };
        await using MessageJournal journal = MessageJournal.Open(disk.Path, _time, _log, bounds);
        await FillAsync(journal, Receipt.Later("the disk is nearly full"));
        Assert.True(journal.MarkDelivered(0, journal.LastSequence, []).Succeeded);
        Assert.True(journal.Purge(TimeSpan.Zero, CancellationToken.None).Succeeded);
        _time.Advance(s_look);
        Assert.Equal(ReceiptKind.Stored, (await journal.AppendAsync(Samples.Message("again"))).Kind);
    }

    [Fact]
    public async Task Copies_of_what_mongodb_has_make_room_before_their_time_but_no_more_than_needed()
    {
        var bounds = new JournalBounds { BytesMax = 256 * 1024 };
        await using MessageJournal journal = MessageJournal.Open(_folder.Path, _time, _log, bounds);
        // Without a check in between: the clock does not advance.
        await Samples.FillAsync(journal, 4000);
        _time.Advance(s_look);
        Message message = Samples.Message("waits");
        Assert.Equal(Receipt.Later("the journal is full"), await journal.AppendAsync(message));
        await using (new Relay(journal, Stored, TimeSpan.FromDays(7), _time, _log))
        {
            await _time.NextTimerAsync();
            _time.Advance(s_look);
            Assert.InRange(Samples.Texts(journal).Length, 500, 3500);
            Assert.Equal(Receipt.Stored(message.Id), await journal.AppendAsync(message));
        }

        static Task<BatchOutcome> Stored(IReadOnlyList<JournalEntry> batch, CancellationToken cancel) =>
            Task.FromResult(new BatchOutcome(null, []));
    }

    // Stores long messages, a second apart, until one gets this answer.
    private async Task FillAsync(MessageJournal journal, Receipt end)
    {
        Receipt receipt;
        do
        {
            receipt = await journal.AppendAsync(Samples.Message(s_long));
            _time.Advance(s_look);
        }
        while (receipt.Kind == ReceiptKind.Stored);

        Assert.Equal(end, receipt);
    }
}
