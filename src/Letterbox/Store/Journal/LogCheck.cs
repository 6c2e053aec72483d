// What is looked at before SQLite opens the journal: whether database and log belong together, and whether
// the log is whole. For SQLite deletes a log whose database is missing or empty, even to read; it applies a
// log of another database; and it forgets what is behind a damaged frame.
//
// A damaged log is copied to `letterbox.db-wal.damaged-TIME`, the database to `letterbox.db.damaged-TIME`.
// Then, whichever comes first:
//
//    each damaged frame has one wrong byte, which its checksum tells     corrected in the log
//    each damaged page was written again later, intact                  all other frames are applied to the
//                                                                       database, which needs no log then
//    else                                                               the same to `letterbox.db.recovered`
//
// In the last case the journal is opened as SQLite leaves it, and takes the messages back that only
// `letterbox.db.recovered` has; with them on stable storage that file is deleted. A crash at any point leaves
// enough to begin again.

using System.Buffers.Binary;
using System.Globalization;
using Letterbox.Messages;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using SQLitePCL;

namespace Letterbox.Store.Journal;

/// <summary>Checks the journal's files, and keeps what is in a damaged log.</summary>
internal static class LogCheck
{
    private const int HeaderLength = 100;

    /// <summary>The damaged logs that were kept beside a journal, by their names.</summary>
    public static IReadOnlyList<string> Kept(string path) =>
        [.. Directory.EnumerateFiles(Path.GetDirectoryName(path)!, JournalFile.Name + "-wal.damaged-*")];

    /// <summary>Throws when there is a log, or half a transaction, and no database.</summary>
    public static void CheckDatabaseIsThere(string path)
    {
        if (Length(path) > 0) return;
        string? left = Length(path + "-wal") > 0 ? path + "-wal"
            : PagesBefore(path + "-journal") > 0 ? path + "-journal" : null;
        if (left is null) return;
        string state = File.Exists(path) ? "is empty" : "is missing";
        throw new StoreException(
            $"the journal {path} {state}, but {left} is there and may hold messages. Nothing was changed. "
            + "Put the database back beside it, or move it away to start with an empty journal "
            + "(docs/OPERATIONS.md, \"The database is gone\")", "the journal is missing");
    }

    /// <summary>
    /// Checks the log of a journal that no process has open, before the first one opens it to write. What
    /// SQLite would forget is kept.
    /// </summary>
    /// <exception cref="StoreException">They do not belong together, or nothing can be kept.</exception>
    public static void BeforeOpening(string path, ILogger log)
    {
        try
        {
            if (Read(path) is not { IsDamaged: true } wal) return;
            Keep(path, wal, log);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw StoreException.OfFile(
                $"cannot check and keep the log of the journal {path}: {e.Message}", e);
        }
    }

    /// <summary>Throws when the log is damaged: the store process is to see to it.</summary>
    public static void CheckUndamaged(string path)
    {
        if (Read(path) is { IsDamaged: true })
            throw new StoreException($"the log of the journal {path} is damaged: start the store process "
                + "first, it keeps what can be read");
    }

    /// <summary>Stores what was recovered from a damaged log and is not in the journal.</summary>
    public static void TakeBack(Sqlite file, string path, ILogger log)
    {
        string recovered = path + ".recovered";
        if (!File.Exists(recovered)) return;
        // Where the database was ahead of the readable part of the log, what SQLite made of them is no state
        // at all: a person must recover it from the files that were kept.
        JournalFile.Check(file.Prepare("PRAGMA integrity_check(1)", out Statement? check), path);
        using (check)
        {
            if (check!.Step() != raw.SQLITE_ROW || check.Text(0) != "ok")
                JournalFile.Check(raw.SQLITE_CORRUPT, path);
        }

        int taken = 0;
        using (JournalReader? reader = TryOpen(recovered, log))
        {
            if (reader is not null) taken = Insert(file, path, reader);
        }

        File.Delete(recovered);
        DurableFolder.Sync(Path.GetDirectoryName(path)!);
        log.LogWarning("{Taken} messages that were behind the damage are in the journal again", taken);
    }

    private static JournalReader? TryOpen(string recovered, ILogger log)
    {
        try
        {
            JournalReader reader = JournalReader.Open(recovered);
            reader.OnDamage = what => log.LogError("{What}", what);
            return reader;
        }
        catch (StoreException e)
        {
            log.LogError("what is kept of the damaged log cannot be read here: {Reason}", e.Message);
            return null;
        }
    }

    private static int Insert(Sqlite file, string path, JournalReader reader)
    {
        int taken = 0;
        JournalFile.Check(file.Execute("BEGIN IMMEDIATE"), path);
        JournalFile.Check(file.Prepare("""
            INSERT INTO messages (seq, id, date, username, message)
            SELECT max(ifnull((SELECT max(seq) FROM messages), 0),
                       ifnull((SELECT max(seq) FROM deliveries), 0)) + 1, ?1, ?2, ?3, ?4
            WHERE true ON CONFLICT (id) DO NOTHING
            """, out Statement? insert), path);
        using (insert)
        {
            foreach (StoredMessage message in reader.ReadAll())
            {
                if (!IsLegal(message)) continue;
                insert!.Bind(1, message.Id.ToString());
                insert.Bind(2, message.Date);
                insert.Bind(3, message.Username);
                insert.Bind(4, message.Text);
                JournalFile.Check(insert.Run(), path);
                taken += file.Changes;
            }
        }

        JournalFile.Check(file.Execute("COMMIT"), path);
        return taken;
    }

    private static bool IsLegal(StoredMessage stored) => StoredMessage.TryParseDate(stored.Date, out _)
        && Message.TryCreate(stored.Id, stored.Username, stored.Text, out Message? _, out _);

    private static WalFile? Read(string path)
    {
        CheckDatabaseIsThere(path);
        if (Length(path + "-wal") == 0) return null;
        Span<byte> header = stackalloc byte[HeaderLength];
        if (Head(path, header) < HeaderLength || !header.StartsWith("SQLite format 3\0"u8))
            throw Foreign(path, "the database has no header");
        int pageSize = BinaryPrimitives.ReadUInt16BigEndian(header[16..]);
        if (pageSize == 1) pageSize = 65_536;
        if (WalFile.Read(path + "-wal", pageSize) is not { } wal) return null;
        if (wal.PageSize != pageSize) throw Foreign(path, "their page sizes are different");
        // Where the log is damaged the database may be ahead of what is readable of it.
        if (!wal.IsDamaged && wal.Mismatch(Length(path)) is { } failure) throw Foreign(path, failure);
        return wal;
    }

    private static StoreException Foreign(string path, string failure) => new(
        $"the journal {path} and its log {path}-wal do not belong together: {failure}. Nothing was changed. "
        + "Is the database an older copy, or another one? Put back the one that the log was written for, or "
        + "move the log away (docs/OPERATIONS.md, \"The database is gone\")",
        "the journal and its log do not match");

    private static void Keep(string path, WalFile wal, ILogger log)
    {
        string time = File.GetLastWriteTimeUtc(path + "-wal")
            .ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        string kept = $"{path}-wal.damaged-{time}", draft = path + ".recovering";
        Copy(path + "-wal", kept, static _ => { });
        Copy(path, $"{path}.damaged-{time}", static _ => { });
        DurableFolder.Sync(Path.GetDirectoryName(path)!);
        using (SafeFileHandle file = File.OpenHandle(path + "-wal", FileMode.Open, FileAccess.ReadWrite))
        {
            wal.CorrectIn(file);
            RandomAccess.FlushToDisk(file);
        }

        bool whole = wal.IsCorrectable;
        if (!whole)
        {
            Copy(path, draft, copy => whole = wal.ApplyTo(copy, path + "-wal"));
            // Whole, it is the journal. Should the log outlive a crash here, the same is made of both again.
            File.Move(draft, whole ? path : path + ".recovered", overwrite: true);
            DurableFolder.Sync(Path.GetDirectoryName(path)!);
            if (whole) File.Delete(path + "-wal");
        }

        log.LogError(
            "the log {Path} is damaged at frame {Frame} of {Frames}; {Commits} commits are there or behind. "
            + "It is kept as {Kept}, the database beside it. {Outcome}; see docs/OPERATIONS.md, "
            + "\"The log is damaged\"",
            path + "-wal", wal.Readable + 1, wal.Frames.Count, wal.CommitsLeftOut, kept, whole
                ? "The damage is repaired, nothing is lost"
                : "What can be read is taken back");
    }

    private static void Copy(string from, string to, Action<SafeFileHandle> change)
    {
        File.Copy(from, to, overwrite: true);
        using SafeFileHandle copy = File.OpenHandle(to, FileMode.Open, FileAccess.ReadWrite);
        change(copy);
        RandomAccess.FlushToDisk(copy);
    }

    // How many pages the database had when the transaction began that this rollback journal undoes; 0: none,
    // as when it is made (https://sqlite.org/fileformat2.html, section 3).
    private static uint PagesBefore(string journal)
    {
        Span<byte> header = stackalloc byte[20];
        bool whole = Length(journal) > 0 && Head(journal, header) == header.Length;
        ReadOnlySpan<byte> magic = [0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7];
        return whole && header.StartsWith(magic) ? BinaryPrimitives.ReadUInt32BigEndian(header[16..]) : 0;
    }

    private static long Length(string path) => new FileInfo(path) is { Exists: true } file ? file.Length : 0;

    private static int Head(string path, Span<byte> bytes)
    {
        using SafeFileHandle file = File.OpenHandle(
            path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        return RandomAccess.Read(file, bytes, 0);
    }
}
