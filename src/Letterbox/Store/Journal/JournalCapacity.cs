// How much more the journal may store. Messages have to wait before the disk is full: the remaining space is
// for delivery marks, for the log, and for other programs on this disk.
//
//    the journal's file   | in use ........ | free pages |     from purging: the file does not
//                         '---- BytesMax ---'                  shrink, but new messages go there first
//    the disk             | other files | the file | free ..... |
//                                DiskReserve: free pages and free space on the disk together
//
// The shortage ends automatically when messages are purged (earlier than usual if space is short), or when
// space on the disk is freed.
//
// A purge needs space too: its transaction goes to the log, and the log can start over only when the database
// can grow by the content of the log. So no batch may use that space. The most that a batch needs is computed
// before it is written, and added up; when the sum comes near the limit, or after a second, the disk is
// checked again. On a small disk the log is small too.

using Letterbox.Messages;

namespace Letterbox.Store.Journal;

// BytesMax: most bytes in use in the journal's file; its log may take 16 MB more.
// DiskReserve: fewest bytes that stay free on its disk; null: 64 MiB, but at most a tenth of the disk.
internal sealed record JournalBounds(long? BytesMax = null, long? DiskReserve = null);

// Decides when the journal must not grow any more. Used by the writer's thread.
internal sealed class JournalCapacity(string path, JournalBounds bounds, TimeProvider time)
{
    // A check costs some queries and system calls: negligible once a second, but not at every commit.
    private static readonly TimeSpan s_checkEvery = TimeSpan.FromSeconds(1);

    // Most bytes that the log keeps between two batches, on any disk.
    public const long LogMaxAnywhere = 16 << 20;

    private const long DefaultReserve = 64 << 20;
    private const int Page = 4096;

    // What remains when the log has grown by a batch: file systems round up.
    private const long Slack = 64 << 10;

    // A purge for space frees enough for any batch, so that the next one needs none.
    private const long PurgeForMax = 2 << 20;

    private long? _lastCheck;
    private long? _shrunk;
    private long _left;
    private volatile string? _shortage;

    // Whether the last check found a shortage. Readable on any thread.
    public bool IsShort => _shortage is not null;

    // Most bytes of the log on this disk: 16 MiB, but at most a sixteenth of the disk.
    public static long LogMax(string path)
    {
        try
        {
            long disk = new DriveInfo(Path.GetDirectoryName(path)!).TotalSize;
            return Math.Clamp(disk / 16, 256 << 10, LogMaxAnywhere);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return LogMaxAnywhere;
        }
    }

    // Whether there is space for these messages; the reason is public.
    // journal: the writing connection, in no transaction; null: the disk failed, which is reported first.
    public Result CheckSpace(Sqlite? journal, IReadOnlyList<Pending> batch)
    {
        if (journal is null) return Result.Success;
        // In the log: a page of the index of keys for each message, for keys may be anywhere in it. In both:
        // the text and its overhead.
        long log = 8 * Page, data = 8 * Page;
        foreach (Pending pending in batch)
        {
            int bytes = pending.Message.UsernameUtf8.Length + pending.Message.TextUtf8.Length;
            long size = bytes + (bytes > Page / 4 ? Page : 128);
            log += size + Page;
            data += size;
        }

        // A shortage ends when a whole log fits again: otherwise each truncation of the log would end it.
        if (_shortage is not null) data += LogMax(path);
        bool recent = _lastCheck is { } last && time.GetElapsedTime(last) < s_checkEvery;
        if (!recent || (_shortage is null && log + data > _left)) Check(journal, log, data);
        else _left -= log + data;
        return _shortage is { } shortage ? Result.Failed(shortage) : Result.Success;
    }

    // Whether a purge has to continue until there is space for any batch.
    public bool NeedsPurge(Sqlite? journal) =>
        journal is not null && Check(journal, 0, PurgeForMax) is not null;

    private string? Check(Sqlite journal, long log, long data)
    {
        _lastCheck = time.GetTimestamp();
        string? shortage = Find(journal, log, data);
        if (shortage is not null && Shrink(journal)) shortage = Find(journal, log, data);
        return _shortage = shortage;
    }

    // A log that was copied can be truncated. A reader may prevent that, and is not waited for each time.
    private bool Shrink(Sqlite journal)
    {
        if (new FileInfo(path + "-wal") is not { Exists: true, Length: > 0 }) return false;
        if (_shrunk is { } last && time.GetElapsedTime(last) < s_checkEvery) return false;
        _shrunk = time.GetTimestamp();
        journal.Checkpoint(waiting: true);
        return true;
    }

    private string? Find(Sqlite journal, long log, long data)
    {
        try
        {
            long page = journal.Scalar("PRAGMA page_size"), pages = journal.Scalar("PRAGMA page_count");
            long free = journal.Scalar("PRAGMA freelist_count") * page;
            _left = 0;
            if (pages * page - free >= (bounds.BytesMax ?? long.MaxValue)) return "the journal is full";
            var disk = new DriveInfo(Path.GetDirectoryName(path)!);
            // The part of the log that extends the database is still to be copied there.
            long onDisk = disk.AvailableFreeSpace - Math.Max(0, pages * page - new FileInfo(path).Length);
            long reserve = bounds.DiskReserve ?? Math.Min(DefaultReserve, disk.TotalSize / 10);
            data = Math.Min(data, log == 0 ? disk.TotalSize / 8 : data);
            long above = Math.Min(onDisk + free - reserve, onDisk + Math.Min(free, data) - Slack);
            _left = above - log - data;
            return _left < 0 ? "the disk is nearly full" : null;
        }
        catch (Exception e) when (
            e is IOException or UnauthorizedAccessException or ArgumentException or StoreException)
        {
            // On Windows a share without a drive letter is not a drive. An unknown amount is not a shortage.
            _left = long.MaxValue;
            return null;
        }
    }
}
