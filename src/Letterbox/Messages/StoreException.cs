// The store cannot be used: the journal or MongoDB, at the start or in the middle of a listing.

namespace Letterbox.Messages;

/// <summary>What prevents opening the journal, if it may be temporary: see JournalOpener.cs.</summary>
public enum StoreObstacle
{
    /// <summary>Nothing temporary: the journal itself is unusable.</summary>
    None,

    /// <summary>No rights, a read-only disk, a folder that is away; or the setting is mistyped.</summary>
    Access,

    /// <summary>The disk is full or fails, or another program's transaction is open.</summary>
    Disk,
}

/// <summary>
/// The journal or MongoDB cannot be used; the text names it and what to do, fit for a person and for a
/// log: never with a password. What can be tried again is no exception but a <see cref="Receipt"/> or the
/// outcome of a batch.
/// </summary>
/// <param name="message">What is wrong, and what to do.</param>
/// <param name="reason">The same in a few words that reveal nothing about this machine.</param>
public sealed class StoreException(string message, string? reason = null) : Exception(message)
{
    /// <summary>Why, in a few words that reveal nothing about this machine.</summary>
    public string Reason { get; } = reason ?? "the store cannot be used";

    /// <summary>What may end without a change to the journal.</summary>
    public StoreObstacle Obstacle { get; init; }

    /// <summary>The same for a file or folder that .NET could not open, make or sync.</summary>
    public static StoreException OfFile(string message, Exception e) => e.HResult switch
    {
        NoSpace or Quota or WindowsDiskFull =>
            new(message, "the disk is full") { Obstacle = StoreObstacle.Disk },
        IOError => new(message, "the disk failed") { Obstacle = StoreObstacle.Disk },
        ReadOnlyDisk => new(message, "the journal is read-only") { Obstacle = StoreObstacle.Access },
        _ => new(message, "the journal cannot be opened") { Obstacle = StoreObstacle.Access },
    };

    // errno(3), and Windows' own.
    private const int IOError = 5, NoSpace = 28, ReadOnlyDisk = 30, Quota = 122;
    private const int WindowsDiskFull = unchecked((int)0x80070070);

    /// <summary>Another process owns the journal: when that has ended, it can be used.</summary>
    public bool InUse { get; init; }
}
