// The journal on disk: a SQLite database, `letterbox.db` in the data folder, and how it is opened.
//
//    header    application_id 0x4C424F58 ("LBOX") · user_version 2, the version of this schema.
//              The owner adds `rekeyed` to a journal of version 1 when it opens it.
//
//    messages                                      one row for each accepted message
//    +-----+--------------------------+----------------------------+----------+---------+
//    | seq | id                       | date                       | username | message |
//    +-----+--------------------------+----------------------------+----------+---------+
//    |   1 | 635d8a1a9c3e5f0011223344 | 2022-10-29 20:20:58.020261 | krabaton | First … |
//    +-----+--------------------------+----------------------------+----------+---------+
//    seq   order of arrival: one more than the greatest seq of messages and deliveries,
//          so that the number of a purged message is not assigned again.
//    id    24 lower-case hex digits, so that any SQLite tool shows what MongoDB shows. Unique: this drops a
//          message that was sent twice.
//
//    deliveries                                    one row for each batch that MongoDB acknowledged
//    +------+---------------+
//    | seq  | at            |    every message up to and with seq is in MongoDB, or in quarantine,
//    +------+---------------+    since `at`, in ms since 1970. The greatest seq is the watermark; it is
//                                never purged. `letterbox redeliver` takes rows off the end.
//
//    quarantine                                    one row for each message that MongoDB rejects
//    +------+----+--------+
//    | seq  | at | reason |      since `at`, in ms since 1970; 0: `letterbox quarantine retry` requested a
//    +------+----+--------+      delivery, and the store process will give the message a new seq, as if it
//                                had just arrived. The message is never purged.
//
//    rekeyed                                       one row for each acknowledged key that its message has
//    +--------------------------+-------...---+    lost, because MongoDB has another document under it. The
//    | old                      | new         |    message is under `new` since the same transaction, at its
//    +--------------------------+-------...---+    old place. Never purged: receipts show the old key.
//
// Beside it: `letterbox.db-wal`, the write-ahead log (synchronous=FULL: a commit returns after the log is
// synced), `letterbox.db-shm`, its index, and `letterbox.lock`, see JournalLock.cs.
//
// A crash can leave half a transaction at the end of the log, which SQLite ignores because of its checksums;
// or a whole transaction that was written but not yet synced or acknowledged. Its rows exist when the journal
// is opened again, and must reach the disk before a repeated message is acknowledged as "already stored". So
// opening first syncs the log and copies it into the database. A crash does not damage the log or remove the
// database: see LogCheck.cs.

using Letterbox.Messages;
using Microsoft.Extensions.Logging;
using SQLitePCL;

namespace Letterbox.Store.Journal;

internal static class JournalFile
{
    public const string Name = "letterbox.db";

    // Rows that a command changes at once: some milliseconds. Then the store process gets the lock.
    public const int Step = 10_000;

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

    // How long the writer waits for the lock of another process, such as `letterbox quarantine`.
    private static readonly TimeSpan s_writerTimeout = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_readerTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(20);

    // Opens the journal for writing at the start of the process; creates it if there is none. The folder
    // exists and the lock is held. On return everything that can be read from it is on stable storage.
    public static Sqlite OpenToWrite(string path, ILogger log)
    {
        LogCheck.BeforeOpening(path, log);
        PrepareFiles(path);
        return Open(path, raw.SQLITE_OPEN_READWRITE | raw.SQLITE_OPEN_CREATE, s_writerTimeout, file =>
        {
            bool isEmpty = file.Scalar("SELECT count(*) FROM sqlite_schema") == 0
                && file.Scalar("PRAGMA application_id") == 0;
            if (isEmpty) Change(file, $"PRAGMA application_id={ApplicationId}; {Schema} {SinceVersion2}");
            long version = CheckKind(file, path);
            Configure(file, path);
            if (version < Version) Change(file, SinceVersion2);
            LogCheck.RestoreRecovered(file, path, log);
            // The reader of another program may prevent this: then the rest stays in the log, synced above.
            int code = file.Checkpoint(waiting: true);
            if ((code & 0xFF) != raw.SQLITE_BUSY) file.Check(code);
        });
    }

    // Opens the journal for writing again after the disk failed. The log may hold a commit whose sync
    // failed, and the next sync of the same pages would succeed without having written them: only when all
    // of it has been copied into the database it is known what is stored.
    public static Sqlite Reopen(string path) => Open(path, raw.SQLITE_OPEN_READWRITE, s_writerTimeout, file =>
    {
        CheckKind(file, path);
        Configure(file, path);
        file.Check(file.Checkpoint(waiting: true));
    });

    // Opens the journal for one small change, whether its owner is running or not.
    public static Sqlite OpenToChange(string path)
    {
        CheckExists(path);
        CheckLog(path);
        return Open(path, raw.SQLITE_OPEN_READWRITE, s_readerTimeout, file =>
        {
            CheckKind(file, path);
            Configure(file, path);
        });
    }

    // Repeats a change of at most so many rows until none are left.
    public static void ChangeInSteps(Sqlite file, Action step)
    {
        for (step(); file.Changes == Step; step()) Thread.Sleep(s_pause);
    }

    // Opens the journal for reading, in any process, whether its owner is running or not. Creates no file
    // beside it, and needs no right to do so.
    public static Sqlite OpenToRead(string path)
    {
        CheckExists(path);
        LogCheck.CheckDatabaseIsThere(path);
        // The owner is running, or was killed: SQLite finds log and index, and has to create neither.
        if (HasLogAndIndex(path)) return OpenToRead(path, null);
        // No process has it open, and the database is complete.
        if (LogCheck.Length(path + "-wal") == 0)
            return OpenToRead(path, $"file:{Uri.EscapeDataString(Path.GetFullPath(path))}?immutable=1");
        DirectoryInfo copy = Directory.CreateTempSubdirectory("letterbox-reading-");
        try
        {
            File.Copy(path, Path.Combine(copy.FullName, Name));
            File.Copy(path + "-wal", Path.Combine(copy.FullName, Name + "-wal"));
            return OpenToRead(Path.Combine(copy.FullName, Name), null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw StoreException.OfFile($"cannot read a copy of the journal {path}: {e.Message}", e);
        }
        finally
        {
            // The connection has the files open. Windows does not delete those.
            if (!OperatingSystem.IsWindows()) copy.Delete(recursive: true);
        }
    }

    public static bool HasLogAndIndex(string path) =>
        File.Exists(path + "-wal") && File.Exists(path + "-shm");

    private static Sqlite OpenToRead(string path, string? uri) =>
        Open(path, raw.SQLITE_OPEN_READONLY, s_readerTimeout, file =>
        {
            CheckKind(file, path);
            // A damaged schema is reported here.
            file.Prepare("SELECT * FROM sqlite_schema");
        }, uri);

    private static Sqlite Open(
        string path, int flags, TimeSpan timeout, Action<Sqlite> prepare, string? uri = null)
    {
        LogCheck.CheckDatabaseIsThere(path);
        var file = Sqlite.Open(path, flags, timeout, uri);
        try
        {
            prepare(file);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static void CheckExists(string path)
    {
        if (!File.Exists(path))
        {
            throw new StoreException(
                $"there is no journal at {path}: nothing was stored there yet, or it was moved");
        }
    }

    // While the owner is running the log has been checked, and changes.
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

    // SQLite takes an empty file for an empty database. Its own would be readable for other users.
    private static void PrepareFiles(string path)
    {
        try
        {
            if (!File.Exists(path)) DataFolder.OpenFile(path).Dispose();
            bool isEmpty = LogCheck.Length(path + "-wal") == 0;
            if (File.Exists(path + "-wal")) SyncOrReplace(path + "-wal", isEmpty);
            if (File.Exists(path + "-shm")) SyncOrReplace(path + "-shm", isDisposable: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw StoreException.OfFile($"cannot prepare the files of the journal {path}: {e.Message}", e);
        }
    }

    // A reader of another user may have left a file that this user may not write to.
    private static void SyncOrReplace(string file, bool isDisposable)
    {
        try
        {
            using FileStream opened = DataFolder.OpenFile(file);
            opened.Flush(flushToDisk: true);
        }
        catch (UnauthorizedAccessException) when (isDisposable)
        {
            File.Delete(file);
        }
        catch (UnauthorizedAccessException)
        {
            using (FileStream copy = DataFolder.OpenFile(file + ".copy"))
            {
                using FileStream original = File.OpenRead(file);
                original.CopyTo(copy);
                copy.Flush(flushToDisk: true);
            }

            File.Move(file + ".copy", file, overwrite: true);
        }
    }

    // Atomic: an error closes the file, which rolls back.
    private static void Change(Sqlite file, string sql) =>
        file.Execute($"BEGIN; {sql} PRAGMA user_version={Version}; COMMIT;");

    // Returns the version.
    private static long CheckKind(Sqlite file, string path)
    {
        if (file.Scalar("PRAGMA application_id") != ApplicationId)
            throw new StoreException($"{path} is not a journal of letterbox: another program created it");
        long version = file.Scalar("PRAGMA user_version");
        if (version <= Version) return version;
        throw new StoreException(
            $"the journal {path} has version {version}, this program knows {Version}: use a newer one");
    }

    // fullfsync is for macOS, where a plain fsync leaves the data in the drive's cache. The writer copies the
    // log when it has time (wal_autocheckpoint=0), not the commit that happens to fill it.
    private static void Configure(Sqlite file, string path)
    {
        file.Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA fullfsync=1;"
            + "PRAGMA wal_autocheckpoint=0;");
        if (file.Scalar("PRAGMA synchronous") != 2)
            throw new StoreException($"the journal {path} cannot be made to sync its commits");
    }
}
