// The disk fails under the journal: at any one call, for a while, by being full, by being read-only. A
// message that is answered "stored" is stored once; one that is answered "later" is sent again, and stored
// when the disk works.

using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;
using SQLitePCL;

namespace Letterbox.Tests.Store.Journal;

public sealed class DiskFaultTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_disk_that_does_not_sync_stores_nothing_until_it_does()
    {
        var log = new RecordingLog();
        using var disk = new FailingDisk(_folder.Path);
        await using MessageJournal journal = Samples.OpenJournal(_folder, log: log);
        Assert.Equal(ReceiptKind.Stored, (await journal.AppendAsync(Samples.Message("before"))).Kind);

        disk.Failure = static call => call == "sync" ? raw.SQLITE_IOERR_FSYNC : raw.SQLITE_OK;
        Message message = Samples.Message("during");
        Receipt failed = Receipt.Later($"the disk failed (SQLite error {raw.SQLITE_IOERR_FSYNC})");
        for (int n = 0; n < 3; n++) Assert.Equal(failed, await journal.AppendAsync(message));
        Assert.Equal(failed.Reason, journal.Failure);

        disk.Failure = static _ => raw.SQLITE_OK;
        Assert.Equal(Receipt.Stored(message.Id), await journal.AppendAsync(message));
        Assert.Null(journal.Failure);
        Assert.Equal(["before", "during"], Samples.Texts(journal));
        Assert.Equal(
            [$"Error: messages cannot be stored: {failed.Reason}; senders are asked to wait",
             "Information: messages are stored again; 3 batches had to wait"],
            log.Lines);
    }

    [Theory]
    [InlineData("sync", raw.SQLITE_IOERR_FSYNC)]
    [InlineData("write", raw.SQLITE_IOERR_WRITE)]
    [InlineData("write", raw.SQLITE_FULL)]
    public async Task One_fault_at_any_call_loses_nothing_and_doubles_nothing(string call, int code)
    {
        int calls;
        int struck = 0;
        do
        {
            calls = 0;
            struck++;
            using var folder = new TempFolder();
            using var disk = new FailingDisk(folder.Path);
            disk.Failure = made => made == call && Interlocked.Increment(ref calls) == struck
                ? code
                : raw.SQLITE_OK;
            await LiveAsync(folder);
            await using MessageJournal journal = Samples.OpenJournal(folder);
            Assert.Equal(["3", "4", "5"], Samples.Texts(journal));
            Assert.Equal(["2"], Samples.Query(journal.Path, "SELECT max(seq) FROM deliveries"));
            Assert.Equal(["ok"], Samples.Query(journal.Path, "PRAGMA integrity_check"));
        }
        while (calls >= struck);

        // The last run had no failure; in each earlier one a different call failed.
        Assert.InRange(struck, 10, 1000);
    }

    [Fact]
    public async Task A_full_disk_is_later_and_has_room_again()
    {
        using var disk = new SmallDisk(mebibytes: 1);
        var log = new RecordingLog();
        var noReserve = new JournalBounds { DiskReserve = 0 };
        var time = new ManualTime();
        await using MessageJournal journal = MessageJournal.Open(disk.Path, time, log, noReserve);
        Message message = Samples.Message(new string('x', 4000));
        disk.FillUpTo(free: 0);
        // Known before it is tried: half a transaction would use the space that a purge needs.
        Receipt full = Receipt.Later("the disk is nearly full");
        Assert.Equal(full, await journal.AppendAsync(message));
        Assert.Equal(full, await journal.AppendAsync(message));
        disk.Empty();
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(Receipt.Stored(message.Id), await journal.AppendAsync(message));
        Assert.Equal([message.Text], Samples.Texts(journal));
        Assert.StartsWith("Error: messages cannot be stored: the disk is nearly full", log.Lines[0]);
    }

    [Fact]
    public async Task A_read_only_disk_is_named_at_the_start_and_nothing_is_changed()
    {
        using var disk = new SmallDisk(mebibytes: 1);
        await using (
            MessageJournal journal = MessageJournal.Open(disk.Path, new ManualTime(), new RecordingLog()))
            await Samples.FillAsync(journal, 2);
        disk.SetReadOnly(true);
        var rejection = Assert.Throws<StoreException>(
            () => MessageJournal.Open(disk.Path, new ManualTime(), new RecordingLog()));
        Assert.Contains(disk.Path, rejection.Message);
        disk.SetReadOnly(false);
        await using MessageJournal again = MessageJournal.Open(
            disk.Path, new ManualTime(), new RecordingLog());
        Assert.Equal(["message 1", "message 2"], Samples.Texts(again));
    }

    // The whole use of a journal, in which everything that fails is retried: messages, a delivery, its purge,
    // a restart, more messages.
    private static async Task LiveAsync(TempFolder folder)
    {
        await using (MessageJournal journal = Open(folder))
        {
            for (int n = 1; n <= 4; n++) await StoreAsync(journal, n);
            AgainIfFailed(() => journal.MarkDelivered(0, 2, []));
            AgainIfFailed(() => journal.Purge(TimeSpan.Zero, CancellationToken.None));
        }

        await using MessageJournal second = Open(folder);
        await StoreAsync(second, 5);
    }

    private static MessageJournal Open(TempFolder folder)
    {
        try
        {
            return Samples.OpenJournal(folder);
        }
        catch (StoreException)
        {
            return Samples.OpenJournal(folder);
        }
    }

    private static async Task StoreAsync(MessageJournal journal, int number)
    {
        Message message = Samples.Message($"{number}");
        Receipt receipt = await journal.AppendAsync(message);
        if (receipt.Kind == ReceiptKind.Later) receipt = await journal.AppendAsync(message);
        Assert.Equal(Receipt.Stored(message.Id), receipt);
    }

    private static void AgainIfFailed(Func<Result> work)
    {
        if (!work().Succeeded) Assert.True(work().Succeeded);
    }
}
