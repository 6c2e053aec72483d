// The sync comes first: a killed process proves nothing about it, for the page cache survives that. Here the
// kernel's order of events is checked: no OK leaves the store process before the log's commit that
// holds the message has been synced. And the power is cut, at every sync and at every OK.

using System.Buffers.Binary;
using System.Text;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Durability;

public sealed class SyncTests(TracedStore traced) : IClassFixture<TracedStore>
{
    private SystemCall[] WithoutSyncs =>
        [.. traced.Calls.Where(call => !(call.IsSync && call.Path == Log))];

    private string Log => Path.Combine(traced.Data, JournalFile.Name + "-wal");

    [Fact]
    public void Every_ok_is_sent_after_the_sync_of_the_commit_that_holds_its_message()
    {
        Assert.Equal(
            traced.Sent.Keys.Order(StringComparer.Ordinal),
            traced.Calls.SelectMany(static call => call.Acknowledged).Order(StringComparer.Ordinal));
        Assert.Empty(TooEarly(traced.Calls));
    }

    [Fact]
    public void An_ok_without_a_sync_is_noticed()
    {
        Assert.Equal(traced.Sent.Count, TooEarly(WithoutSyncs).Count());
        // A sync is worth nothing to what is written while it runs.
        IEnumerable<SystemCall> early =
            traced.Calls.Select(static call => call.IsSync ? call with { Began = 0 } : call);
        Assert.NotEmpty(TooEarly([.. early]));
    }

    [Fact]
    public void The_folder_is_synced_when_journal_and_log_are_in_it_and_before_the_first_ok()
    {
        SystemCall ok = traced.Calls.First(static call => call.Acknowledged.Any());
        foreach (string name in new[] { JournalFile.Name, JournalFile.Name + "-wal" })
        {
            string path = Path.Combine(traced.Data, name);
            SystemCall made = traced.Calls.First(call => call.Makes && call.Path == path);
            Assert.Contains(traced.Calls, call => call.IsSync && call.Path == traced.Data
                && call.Began > made.Returned && call.Returned < ok.Began);
        }

        // The folder itself was made too: that is a change to the one above it.
        string above = Path.GetDirectoryName(traced.Data)!;
        Assert.Contains(traced.Calls, call => call.IsSync && call.Path == above && call.Returned < ok.Began);
        // An earlier start may have made it and lost its power before the sync: the second life syncs again.
        Assert.Equal(2, traced.Calls.Count(call => call.IsSync && call.Path == above));
    }

    [Fact]
    public void Whenever_the_power_goes_every_acknowledged_message_is_in_what_is_left()
    {
        int crashes = 0;
        Assert.Empty(Lost(traced.Calls, () => crashes++));
        Assert.True(crashes > 200, $"only {crashes} crashes were tried");
    }

    [Fact]
    public void A_store_that_never_syncs_is_found_out_when_the_power_goes() =>
        Assert.True(Lost(WithoutSyncs, static () => { }).Any());

    // The keys that were acknowledged before the sync of their commit.
    private IEnumerable<string> TooEarly(IReadOnlyList<SystemCall> calls)
    {
        SystemCall[] writes = [.. calls.Where(call => call.Name == "pwrite64" && call.Path == Log)];
        SystemCall[] syncs = [.. calls.Where(call => call.IsSync && call.Path == Log)];
        return from ok in calls
               from id in ok.Acknowledged
               let committed = Committed(writes, id)
               where !syncs.Any(sync => sync.Began > committed && sync.Returned < ok.Began)
               select id;
    }

    // Where the last page of the transaction was written that brought this key into the log: of its frames,
    // the last one has the size of the database in its header (SQLite's file format, 4.1).
    private static int Committed(SystemCall[] writes, string id)
    {
        const int frameHeader = 24;
        byte[] key = Encoding.ASCII.GetBytes(id);
        int row = Array.FindIndex(writes, write => write.Data.AsSpan().IndexOf(key) >= 0);
        // The header of a page is the write before it.
        int header = Array.FindIndex(writes, row - 1, static write => write.Data.Length == frameHeader
            && BinaryPrimitives.ReadInt32BigEndian(write.Data.AsSpan(4)) != 0);
        return writes[header + 1].Returned;
    }

    // Cuts the power after each sync and each OK, four times; gives what was missing then. What a flipped
    // byte of the log took with it must at least have been noticed.
    private IEnumerable<string> Lost(IReadOnlyList<SystemCall> calls, Action crashed)
    {
        var disk = new CrashDisk(traced.Data);
        var random = new Random(1);
        var acknowledged = new HashSet<string>(StringComparer.Ordinal);
        foreach (SystemCall call in calls)
        {
            disk.Apply(call);
            acknowledged.UnionWith(call.Acknowledged);
            if (!call.IsSync && !call.Acknowledged.Any()) continue;
            foreach (Uncertain uncertain in Enum.GetValues<Uncertain>())
            {
                using var folder = new TempFolder();
                disk.Leave(folder.Path, uncertain, random);
                crashed();
                string[] missing;
                try
                {
                    missing = [.. Missing(folder, acknowledged)];
                }
                // The byte made the newest version of a page unreadable, during a checkpoint.
                catch (StoreException) when (IsReported(folder, uncertain))
                {
                    continue;
                }

                if (IsReported(folder, uncertain)) continue;
                foreach (string id in missing)
                    yield return $"{id} at {call.Returned}, {uncertain}";
            }
        }
    }

    private static bool IsReported(TempFolder folder, Uncertain uncertain) =>
        uncertain == Uncertain.FlippedByte && LogCheck.Kept(folder.File(JournalFile.Name)).Count > 0;

    private IEnumerable<string> Missing(TempFolder folder, HashSet<string> acknowledged)
    {
        string path = folder.File(JournalFile.Name);
        using Sqlite journal = JournalFile.OpenToWrite(path, new RecordingLog());
        Assert.Equal("ok", journal.Prepare("PRAGMA integrity_check").First(static row => row.Text(0)));
        var stored = new HashSet<string>(StringComparer.Ordinal);
        foreach (Statement row in journal.Prepare("SELECT id, message FROM messages").Rows())
        {
            stored.Add(row.Text(0));
            Assert.Equal(traced.Sent[row.Text(0)], row.Text(1));
        }

        return acknowledged.Except(stored);
    }
}
