// The journal as it lies on the disk: a SQLite database, `letterbox.db` in the data folder, and how it is
// opened.
//
//    header    application_id 0x4C424F58 ("LBOX") · user_version 2, the version of this schema.
//              One of version 1 gets what it lacks, `rekeyed`, when its owner opens it.
//
//    messages                                      one row for each accepted message
//    +-----+--------------------------+----------------------------+----------+---------+
//    | seq | id                       | date                       | username | message |
//    +-----+--------------------------+----------------------------+----------+---------+
//    |   1 | 635d8a1a9c3e5f0011223344 | 2022-10-29 20:20:58.020261 | krabaton | First … |
//    +-----+--------------------------+----------------------------+----------+---------+
//    seq   order of arrival. Given by the writer: one more than the greatest seq of messages and deliveries,
//          so that a number is not given again though its message was purged.
//    id    24 lower-case hex digits, so that any SQLite tool shows what MongoDB shows. Unique: this is what
//          swallows a message that was sent twice.
//
//    deliveries                                    one row for each batch that MongoDB acknowledged
//    +------+---------------+
//    | seq  | at            |    every message up to and with seq is in MongoDB, or in quarantine,
//    +------+---------------+    since `at`, in ms since 1970. The greatest seq is the watermark; it is
//                                never purged. `letterbox redeliver` takes rows off the end.
//
//    quarantine                                    one row for each message that MongoDB does not take
//    +------+----+--------+
//    | seq  | at | reason |      since `at`, in ms since 1970; 0: `letterbox quarantine retry` asks for it to
//    +------+----+--------+      be sent again, and the store process will give its message a new seq, as if
//                                it had just come. The message is never purged.
//
//    rekeyed                                       one row for each key that a message was thanked for and
//    +--------------------------+-------...---+    has no more, because MongoDB has another document under
//    | old                      | new         |    it. The message is under `new` since the same transaction,
//    +--------------------------+-------...---+    at its old place. Never purged: whoever asks for the old
//                                                  key has it from his receipt.
//
// Beside it: `letterbox.db-wal`, the write-ahead log (synchronous=FULL: a commit returns after the log is
// synced), `letterbox.db-shm`, its index, and `letterbox.lock`, see JournalLock.cs.
//
// What a crash can leave: half a transaction at the end of the log, which SQLite leaves out by its checksums;
// or a whole transaction that was written but not yet synced, which nobody was told of. The rows of the
// second kind come back to life on opening. They must reach the disk before the same message is told apart as
// "already stored", so opening syncs the log and copies it into the database first of all. A log that is
// damaged, or alone, is no crash's: see LogCheck.cs.

using Letterbox.Messages;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using SQLitePCL;

namespace Letterbox.Store.Journal;

/// <summary>Opens the journal's file, for its one writer and for its readers.</summary>
internal static class JournalFile
{
    /// <summary>Name of the file in the data folder.</summary>
    public const string Name = "letterbox.db";

    private const int Version = 2;
    private const int ApplicationId = 0x4C424F58;

    private const string Schema = """
        CREATE TABLE messages (
          seq      INTEGER PRIMARY KEY,
          id       TEXT NOT NULL UNIQUE,
          date     TEXT NOT NULL,
          username TEXT NOT NULL,
          message  TEXT NOT NULL
        ) STRICT;
        CREATE TABLE deliveries (
          seq      INTEGER PRIMARY KEY,
          at       INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE quarantine (
          seq      INTEGER PRIMARY KEY,
          at       INTEGER NOT NULL,
          reason   TEXT NOT NULL
        ) STRICT;
        """;

    private const string SinceVersion2 = """
        CREATE TABLE IF NOT EXISTS rekeyed (
          old      TEXT NOT NULL PRIMARY KEY,
          new      TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS rekeyed_new ON rekeyed (new);
        """;

    // What another process's lock may cost the writer: another program's, or that of a change from outside,
    // such as `letterbox quarantine`, for as long as its transaction takes.
    private static readonly TimeSpan s_writerTimeout = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_readerTimeout = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Opens the journal for writing, at the start of the process; makes it when there is none. The folder
    /// exists and the lock is held. On return everything that can be read in it is on stable storage.
    /// </summary>
    /// <exception cref="StoreException">
    /// It is damaged, newer than this program, no journal, or out of reach.
    /// </exception>
    public static Sqlite OpenToWrite(string path, ILogger log)
    {
        LogCheck.BeforeOpening(path, log);
        SyncLog(path);
        MakeFile(path);
        return Open(path, raw.SQLITE_OPEN_READWRITE | raw.SQLITE_OPEN_CREATE, s_writerTimeout, file =>
        {
            if (IsEmpty(file, path)) Create(file, path);
            long version = CheckKind(file, path);
            Configure(file, path);
            if (version < Version) Execute(file, path, SinceVersion2);
            LogCheck.TakeBack(file, path, log);
            // A reader of another program may be in the way: then the log, synced above, holds on to the
            // rest.
            int code = file.Checkpoint(waiting: true);
            if ((code & 0xFF) != raw.SQLITE_BUSY) Check(code, path);
        });
    }

    /// <summary>
    /// Opens the journal for writing again after the disk failed under it. What the log holds may be a commit
    /// whose sync failed, and the next sync of the same pages would succeed without having written them: only
    /// when all of it has been copied into the database is it known again what is stored.
    /// </summary>
    /// <exception cref="StoreException">
    /// Not now: the disk still fails, or a reader is in the way.
    /// </exception>
    public static Sqlite Reopen(string path) =>
        Open(path, raw.SQLITE_OPEN_READWRITE, s_writerTimeout, file =>
        {
            CheckKind(file, path);
            Configure(file, path);
            Check(file.Checkpoint(waiting: true), path);
        });

    /// <summary>
    /// Opens the journal for one small change from outside, whether its owner is at work or not.
    /// </summary>
    /// <exception cref="StoreException">There is none, or it cannot be changed.</exception>
    public static Sqlite OpenToChange(string path)
    {
        CheckThere(path);
        CheckLog(path);
        return Open(path, raw.SQLITE_OPEN_READWRITE, s_readerTimeout, file =>
        {
            CheckKind(file, path);
            Configure(file, path);
        });
    }

    /// <summary>
    /// Opens the journal for reading, in this process or another, while the writer is at work.
    /// </summary>
    /// <exception cref="StoreException">There is none, or it cannot be read.</exception>
    public static Sqlite OpenToRead(string path)
    {
        CheckThere(path);
        return Open(path, raw.SQLITE_OPEN_READONLY, s_readerTimeout, file => CheckKind(file, path));
    }

    /// <summary>Throws with advice unless <paramref name="code"/> is OK.</summary>
    public static void Check(int code, string path)
    {
        if (code == raw.SQLITE_OK) return;
        string advice = (code & 0xFF) switch
        {
            raw.SQLITE_CORRUPT or raw.SQLITE_NOTADB =>
                ". Nothing was changed. Keep a copy of it and of the files beside it, recover what can be "
                + "read with sqlite3's .dump or .recover (docs/OPERATIONS.md says how), or move it away to "
                + "start with an empty journal",
            raw.SQLITE_CANTOPEN or raw.SQLITE_READONLY or raw.SQLITE_PERM =>
                ". Its folder must exist, and this user must be allowed to write to it and to its files",
            _ => "",
        };
        string reason = Sqlite.Explain(code);
        throw new StoreException($"cannot use the journal {path}: {reason}{advice}", reason)
        {
            Obstacle = (code & 0xFF) switch
            {
                raw.SQLITE_FULL or raw.SQLITE_IOERR or raw.SQLITE_BUSY or raw.SQLITE_LOCKED =>
                    StoreObstacle.Disk,
                raw.SQLITE_CANTOPEN or raw.SQLITE_READONLY or raw.SQLITE_PERM => StoreObstacle.Access,
                _ => StoreObstacle.None,
            },
        };
    }

    private static Sqlite Open(string path, int flags, TimeSpan timeout, Action<Sqlite> prepare)
    {
        LogCheck.CheckDatabaseIsThere(path);
        Check(Sqlite.Open(path, flags, timeout, out Sqlite? file), path);
        try
        {
            prepare(file!);
            return file!;
        }
        catch
        {
            file!.Dispose();
            throw;
        }
    }

    private static void CheckThere(string path)
    {
        if (!File.Exists(path))
            throw new StoreException($"there is no journal at {path}: no message was ever left here");
    }

    // SQLite takes an empty file for an empty database, and would make one that others may read.
    private static void MakeFile(string path)
    {
        if (File.Exists(path)) return;
        try
        {
            PrivateFile.Open(path).Dispose();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw StoreException.OfFile($"cannot make the journal {path}: {e.Message}", e);
        }
    }

    // While the owner is at work the log is checked, and changes.
    private static void CheckLog(string path)
    {
        try
        {
            using JournalLock owned = JournalLock.Take(Path.GetDirectoryName(path)!);
            LogCheck.CheckUndamaged(path);
        }
        catch (StoreException e) when (e.InUse)
        {
        }
    }

    private static bool IsEmpty(Sqlite file, string path)
    {
        Check(file.Scalar("SELECT count(*) FROM sqlite_schema", out long objects), path);
        Check(file.Scalar("PRAGMA application_id", out long application), path);
        return objects == 0 && application == 0;
    }

    private static void Create(Sqlite file, string path) =>
        Execute(file, path, $"PRAGMA application_id={ApplicationId}; {Schema} {SinceVersion2}");

    // As a whole or not at all: an error closes the file, and what was begun is undone.
    private static void Execute(Sqlite file, string path, string change) =>
        Check(file.Execute($"BEGIN; {change} PRAGMA user_version={Version}; COMMIT;"), path);

    // Returns the version.
    private static long CheckKind(Sqlite file, string path)
    {
        Check(file.Scalar("PRAGMA application_id", out long application), path);
        if (application != ApplicationId)
            throw new StoreException($"{path} is not a journal of letterbox: another program made it");
        Check(file.Scalar("PRAGMA user_version", out long version), path);
        if (version <= Version) return version;
        throw new StoreException(
            $"the journal {path} has version {version}, this program knows {Version}: use a newer one");
    }

    // fullfsync is macOS's: there a plain fsync leaves the data in the drive's cache. The log is copied by
    // the writer when it has time (wal_autocheckpoint=0), not by the commit that happens to fill it.
    private static void Configure(Sqlite file, string path)
    {
        Check(file.Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA fullfsync=1;"
            + "PRAGMA wal_autocheckpoint=0;"), path);
        Check(file.Scalar("PRAGMA synchronous", out long synchronous), path);
        if (synchronous != 2)
            throw new StoreException($"the journal {path} cannot be made to sync its commits");
    }

    private static void SyncLog(string path)
    {
        string log = path + "-wal";
        if (!File.Exists(log)) return;
        try
        {
            using SafeFileHandle handle = File.OpenHandle(
                log, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            RandomAccess.FlushToDisk(handle);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw StoreException.OfFile($"cannot sync the journal's log {log}: {e.Message}", e);
        }
    }
}
