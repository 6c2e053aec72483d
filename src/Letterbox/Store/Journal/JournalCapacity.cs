// How much more the journal may take in. Messages are told to wait before the disk is full: what is left
// then is room for the marks of what MongoDB has, for the log, and for whoever else lives on this disk.
//
//    the journal's file   | in use ........ | free pages |     free pages come of purging: the file does not
//                         '---- BytesMax ---'                  shrink, but new messages go there first
//    the disk             | others | the file | free ..... |
//                                DiskReserve: free pages and what is free on the disk together
//
// There is room again by itself: when messages are purged, for the lack of it before their time, or when
// somebody makes room on the disk.
//
// A purge needs room too: its transaction goes to the log, and the log can start over only when the database
// can grow by what the log holds. So no batch may eat that room. What a batch needs at most is known before
// it is written, and counted; when the sum comes near the bound, or after a second, the disk is looked at
// again. On a small disk the log is small too.

namespace Letterbox.Store.Journal;

/// <summary>The bounds of a journal.</summary>
/// <param name="BytesMax">Most bytes in use in the journal's file; its log may take 16 MB more.</param>
/// <param name="DiskReserve">
/// Fewest bytes that stay free on its disk; null: 64 MiB, but at most a tenth of the disk.
/// </param>
internal sealed record JournalBounds(long? BytesMax = null, long? DiskReserve = null);

/// <summary>Says when the journal must not grow any more. Used by the writer's thread.</summary>
/// <param name="path">The journal's file.</param>
/// <param name="bounds">How far it may grow.</param>
/// <param name="time">The clock of the looks.</param>
internal sealed class JournalCapacity(string path, JournalBounds bounds, TimeProvider time)
{
    // A look costs two queries and some calls of the system: nothing once a second, much at every commit.
    private static readonly TimeSpan s_checkEvery = TimeSpan.FromSeconds(1);

    /// <summary>Most bytes that the log keeps between two batches, on any disk.</summary>
    public const long LogMaxAnywhere = 16 << 20;

    private const long DefaultReserve = 64 << 20;
    private const int Page = 4096;

    // What is left when the log has grown by a batch: room for the rounding of a file system.
    private const long Slack = 64 << 10;

    // A purge for room makes enough for any batch, so that it need not come again for the next one.
    private const long PurgeForMax = 2 << 20;

    private long? _lastCheck;
    private long? _shrunk;
    private long _left;
    private volatile string? _shortage;

    /// <summary>Whether the last look found a shortage. Readable on any thread.</summary>
    public bool IsShort => _shortage is not null;

    /// <summary>
    /// Most bytes of the log on this disk: 16 MiB, but no more than a sixteenth of the disk.
    /// </summary>
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

    /// <summary>
    /// Why these messages have to wait, fit for anyone to read; <c>null</c>: there is room for them.
    /// </summary>
    /// <param name="journal">
    /// The writing connection, in no transaction; <c>null</c>: the disk failed, and comes before its room.
    /// </param>
    /// <param name="batch">The messages.</param>
    public string? Shortage(Sqlite? journal, IReadOnlyList<Pending> batch)
    {
        if (journal is null) return null;
        // In the log: a page of the index of keys for each message, for they may be anywhere in it. In both:
        // the text, and what stands around it.
        long log = 8 * Page, data = 8 * Page;
        foreach (Pending pending in batch)
        {
            int bytes = pending.Message.UsernameUtf8.Length + pending.Message.TextUtf8.Length;
            long size = bytes + (bytes > Page / 4 ? Page : 128);
            log += size + Page;
            data += size;
        }

        bool recent = _lastCheck is { } last && time.GetElapsedTime(last) < s_checkEvery;
        if (!recent || (_shortage is null && log + data > _left)) return Check(journal, log, data);
        _left -= log + data;
        return _shortage;
    }

    /// <summary>Whether a purge has to go on until there is room for any batch.</summary>
    public bool NeedsPurge(Sqlite? journal) =>
        journal is not null && Check(journal, 0, PurgeForMax) is not null;

    private string? Check(Sqlite journal, long log, long data)
    {
        _lastCheck = time.GetTimestamp();
        string? shortage = Find(journal, log, data);
        if (shortage is not null && Shrink(journal)) shortage = Find(journal, log, data);
        return _shortage = shortage;
    }

    // A log that was copied gives its room back. A reader may be in the way, and is not waited for each time.
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
        journal.Scalar("PRAGMA page_size", out long page);
        journal.Scalar("PRAGMA page_count", out long pages);
        journal.Scalar("PRAGMA freelist_count", out long freePages);
        _left = 0;
        if ((pages - freePages) * page >= (bounds.BytesMax ?? long.MaxValue)) return "the journal is full";
        try
        {
            var disk = new DriveInfo(Path.GetDirectoryName(path)!);
            long total = disk.TotalSize, free = freePages * page;
            // What the log holds of the end of the database is still to be copied there.
            long onDisk = disk.AvailableFreeSpace - Math.Max(0, pages * page - new FileInfo(path).Length);
            long reserve = bounds.DiskReserve ?? Math.Min(DefaultReserve, total / 10);
            data = Math.Min(data, log == 0 ? total / 8 : data);
            long above = Math.Min(onDisk + free - reserve, onDisk + Math.Min(free, data) - Slack);
            _left = above - log - data;
            return _left < 0 ? "the disk is nearly full" : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // A share without a letter, on Windows, is no drive. What cannot be found out is no shortage.
            _left = long.MaxValue;
            return null;
        }
    }
}
