// The journal or MongoDB cannot be used, at the start or during a listing.

namespace Letterbox.Messages;

/// <summary>What prevents opening the journal, if it may be temporary.</summary>
internal enum StoreObstacle
{
    None, // not temporary: the journal itself is unusable
    Access, // missing rights, a read-only disk, a missing folder; or the setting is mistyped
    Disk, // the disk is full or fails, or another program has an open transaction
}

/// <summary>
/// The journal or MongoDB cannot be used. What can be retried is not an exception but a <see cref="Receipt"/>
/// or the outcome of a batch.
/// </summary>
/// <param name="message">
/// For the operator and the log: what is wrong and what to do, without passwords.
/// </param>
/// <param name="reason">The same in a few words that reveal nothing about this machine.</param>
internal sealed class StoreException(string message, string? reason = null) : Exception(message)
{
    public string Reason { get; } = reason ?? "the store cannot be used";

    public StoreObstacle Obstacle { get; init; }

    // Another process has the journal open: it can be used when that process has ended.
    public bool InUse { get; init; }

    // For a file or folder that .NET could not open, create or sync.
    public static StoreException OfFile(string message, Exception e) => e.HResult switch
    {
        NoSpace or Quota or WindowsDiskFull =>
            new(message, "the disk is full") { Obstacle = StoreObstacle.Disk },
        IOError => new(message, "the disk failed") { Obstacle = StoreObstacle.Disk },
        ReadOnlyDisk => new(message, "the journal is read-only") { Obstacle = StoreObstacle.Access },
        _ => new(message, "the journal cannot be opened") { Obstacle = StoreObstacle.Access },
    };

    // errno(3) and Windows codes.
    private const int IOError = 5, NoSpace = 28, ReadOnlyDisk = 30, Quota = 122;
    private const int WindowsDiskFull = unchecked((int)0x80070070);
}
