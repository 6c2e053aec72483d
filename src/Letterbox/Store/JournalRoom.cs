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

namespace Letterbox.Store;

/// <summary>The bounds of a journal.</summary>
public sealed record JournalBounds
{
    /// <summary>Most bytes in use in the journal's file; its log may take 16 MB more.</summary>
    public long BytesMax { get; init; } = long.MaxValue;

    /// <summary>
    /// Fewest bytes that are to stay free on its disk; <c>null</c>: 64 MiB, but no more than a tenth of it,
    /// so that a small disk is good for something.
    /// </summary>
    public long? DiskReserve { get; init; }

    /// <summary>Those that the settings name.</summary>
    public static JournalBounds Of(Settings settings) => new()
    {
        BytesMax = settings.JournalMax ?? long.MaxValue,
        DiskReserve = settings.DiskReserve,
    };
}

/// <summary>Says when the journal must not grow any more. Used by the writer's thread.</summary>
/// <param name="folder">Where the journal lies.</param>
/// <param name="bounds">How far it may grow.</param>
/// <param name="time">The clock of the looks.</param>
internal sealed class JournalRoom(string folder, JournalBounds bounds, TimeProvider time)
{
    // A look costs two queries and a call of the system: nothing once a second, much at every commit.
    private static readonly TimeSpan s_lookEvery = TimeSpan.FromSeconds(1);

    private const long DefaultReserve = 64 << 20;

    private long? _looked;
    private volatile string? _shortage;

    /// <summary>Whether the last look found a shortage. Readable on any thread.</summary>
    public bool IsShort => _shortage is not null;

    /// <summary>
    /// Why new messages have to wait, fit for anyone to read, as it was a second ago or less; <c>null</c>:
    /// there is room.
    /// </summary>
    /// <param name="journal">
    /// The writing connection, in no transaction; <c>null</c>: the disk failed, and comes before its room.
    /// </param>
    public string? Shortage(Sqlite? journal)
    {
        if (journal is null) return null;
        if (_looked is { } last && time.GetElapsedTime(last) < s_lookEvery) return _shortage;
        return Look(journal);
    }

    /// <summary>The same as it is now. What cannot be found out is no shortage.</summary>
    public string? Look(Sqlite? journal)
    {
        if (journal is null) return null;
        _looked = time.GetTimestamp();
        _shortage = Find(journal);
        return _shortage;
    }

    private string? Find(Sqlite journal)
    {
        journal.Scalar("PRAGMA page_size", out long page);
        journal.Scalar("PRAGMA page_count", out long pages);
        journal.Scalar("PRAGMA freelist_count", out long free);
        if ((pages - free) * page >= bounds.BytesMax) return "the journal is full";
        return IsDiskShort(free * page) ? "the disk is nearly full" : null;
    }

    private bool IsDiskShort(long freeInFile)
    {
        try
        {
            var disk = new DriveInfo(folder);
            long reserve = bounds.DiskReserve ?? Math.Min(DefaultReserve, disk.TotalSize / 10);
            return disk.AvailableFreeSpace + freeInFile < reserve;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // A share without a letter, on Windows, is no drive.
            return false;
        }
    }
}
