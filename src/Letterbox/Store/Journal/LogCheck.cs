// Checks before SQLite opens the journal: whether database and log belong together, and whether the log is
// intact. SQLite deletes a log whose database is missing or empty, even when it only reads; it applies the
// log of another database; and it discards what follows a damaged frame.
//
// A damaged log is copied to `letterbox.db-wal.damaged-TIME`, the database to `letterbox.db.damaged-TIME`.
// Then all frames that are intact or can be corrected (one wrong byte, or the database has their page
// already) are applied to a copy of the database:
//
//    the copy is sound: each damaged page was written again later      it becomes the journal, without a log
//    it is not                                                         it becomes `letterbox.db.recovered`
//
// In the second case the journal is opened with what SQLite reads, and the messages that only
// `letterbox.db.recovered` has are inserted; when they are on stable storage that file is deleted. After a
// crash at any point this starts again.

using System.Buffers.Binary;
using System.Globalization;
using Letterbox.Messages;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using SQLitePCL;

namespace Letterbox.Store.Journal;

internal static class LogCheck
{
    private const int HeaderLength = 100;

    // The damaged logs that were kept beside a journal.
    public static IReadOnlyList<string> Kept(string path) =>
        [.. Directory.EnumerateFiles(Path.GetDirectoryName(path)!, JournalFile.Name + "-wal.damaged-*")];

    // Throws if there is a log, or half a transaction, and no database.
    public static void CheckDatabaseIsThere(string path)
    {
        if (Length(path) > 0) return;
        string? left = Length(path + "-wal") > 0 ? path + "-wal"
            : PagesBefore(path + "-journal") > 0 ? path + "-journal" : null;
        if (left is null) return;
        string state = File.Exists(path) ? "is empty" : "is missing";
        throw new StoreException(
            $"the journal {path} {state}, but {left} exists and may hold messages. Nothing was changed. "
            + "Put the database back beside it, or move it away to start with an empty journal "
            + "(docs/OPERATIONS.md, \"The database is missing\")", "the journal is missing");
    }

    // Checks the log of a journal that no process has open, before the first one opens it for writing. Keeps
    // what SQLite would discard.
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

    // Throws if the log is damaged: only the store process recovers it.
    public static void CheckUndamaged(string path)
    {
        if (Read(path) is { IsDamaged: true })
            throw new StoreException($"the log of the journal {path} is damaged: start the store process "
                + "first, it recovers what can be read");
    }

    // Inserts the messages that were recovered from a damaged log and are not in the journal.
    public static void RestoreRecovered(Sqlite file, string path, ILogger log)
    {
        string recovered = path + ".recovered";
        if (!File.Exists(recovered)) return;
        // If the database was ahead of the readable part of the log, SQLite has combined them into an invalid
        // state: a person has to recover it from the kept files.
        if (!IsSound(file)) file.Check(raw.SQLITE_CORRUPT);
        int restored = 0;
        using (JournalReader? reader = TryOpen(recovered, log))
        {
            if (reader is not null) restored = Insert(file, reader);
        }

        File.Delete(recovered);
        DataFolder.Sync(Path.GetDirectoryName(path)!);
        log.LogWarning("{Count} messages behind the damage were restored", restored);
    }

    private static JournalReader? TryOpen(string recovered, ILogger log)
    {
        try
        {
            JournalReader reader = JournalReader.Open(recovered);
            reader.OnDamage = (_, _, damage) => log.LogError("{Damage}", damage);
            return reader;
        }
        catch (StoreException e)
        {
            log.LogError("the recovered part of the damaged log cannot be read: {Reason}", e.Message);
            return null;
        }
    }

    private static int Insert(Sqlite file, JournalReader reader)
    {
        int restored = 0;
        file.Execute("BEGIN IMMEDIATE");
        Statement insert = file.Prepare("""
            INSERT INTO messages (seq, id, date, username, message)
            SELECT max(ifnull((SELECT max(seq) FROM messages), 0),
                       ifnull((SELECT max(seq) FROM deliveries), 0)) + 1, ?1, ?2, ?3, ?4
            WHERE true ON CONFLICT (id) DO NOTHING
            """);
        foreach (StoredMessage message in reader.ReadAll().Where(IsLegal))
        {
            insert.Bind(message.Id.ToString()).Bind(message.Date).Bind(message.Username).Bind(message.Text)
                .Run();
            restored += file.Changes;
        }

        file.Execute("COMMIT");
        return restored;
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
        if (WalFile.Read(path + "-wal", path, pageSize) is not { } wal) return null;
        if (wal.PageSize != pageSize) throw Foreign(path, "their page sizes are different");
        // If the log is damaged the database may be ahead of its readable part.
        if (!wal.IsDamaged && wal.FindMismatch(Length(path)) is { } failure) throw Foreign(path, failure);
        return wal;
    }

    private static StoreException Foreign(string path, string failure) => new(
        $"the journal {path} and its log {path}-wal do not belong together: {failure}. Nothing was changed. "
        + "Is the database an older copy, or another one? Put back the one that the log was written for, or "
        + "move the log away (docs/OPERATIONS.md, \"The database is missing\")",
        "the journal and its log do not match");

    private static void Keep(string path, WalFile wal, ILogger log)
    {
        string time = File.GetLastWriteTimeUtc(path + "-wal")
            .ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        string kept = $"{path}-wal.damaged-{time}", draft = path + ".recovering";
        Copy(path + "-wal", kept, static _ => { });
        Copy(path, $"{path}.damaged-{time}", static _ => { });
        Copy(path, draft, copy => wal.ApplyTo(copy, path + "-wal"));
        bool isSound = IsSound(draft);
        // If the log survives a crash here this is repeated with both.
        File.Move(draft, isSound ? path : path + ".recovered", overwrite: true);
        DataFolder.Sync(Path.GetDirectoryName(path)!);
        if (isSound) File.Delete(path + "-wal");
        log.LogError(
            "the log {Path} is damaged at frame {Frame} of {Frames}; this affects {Commits} commits. "
            + "It is kept as {Kept}, the database beside it. {Outcome}; see docs/OPERATIONS.md, "
            + "\"The log is damaged\"",
            path + "-wal", wal.Readable + 1, wal.Frames.Count, wal.CommitsDiscarded, kept,
            isSound && wal.IsCorrected
                ? "The damage is repaired, nothing is lost"
                : "What can be read is restored");
    }

    private static bool IsSound(string database)
    {
        try
        {
            using var file = Sqlite.Open(database, raw.SQLITE_OPEN_READWRITE, TimeSpan.Zero);
            return IsSound(file);
        }
        catch (StoreException)
        {
            return false;
        }
    }

    private static bool IsSound(Sqlite file) =>
        file.Prepare("PRAGMA integrity_check(1)").First(static row => row.Text(0)) == "ok";

    private static void Copy(string from, string to, Action<SafeFileHandle> change)
    {
        File.Copy(from, to, overwrite: true);
        using SafeFileHandle copy = File.OpenHandle(to, FileMode.Open, FileAccess.ReadWrite);
        change(copy);
        RandomAccess.FlushToDisk(copy);
    }

    // The number of pages before the transaction that this rollback journal undoes; 0 for the transaction
    // that creates the database (https://sqlite.org/fileformat2.html, section 3).
    private static uint PagesBefore(string journal)
    {
        Span<byte> header = stackalloc byte[20];
        bool whole = Length(journal) > 0 && Head(journal, header) == header.Length;
        ReadOnlySpan<byte> magic = [0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7];
        return whole && header.StartsWith(magic) ? BinaryPrimitives.ReadUInt32BigEndian(header[16..]) : 0;
    }

    public static long Length(string path) => new FileInfo(path) is { Exists: true } file ? file.Length : 0;

    private static int Head(string path, Span<byte> bytes)
    {
        using SafeFileHandle file = File.OpenHandle(
            path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        return RandomAccess.Read(file, bytes, 0);
    }
}
