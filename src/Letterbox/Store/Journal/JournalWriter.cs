// All transactions that write to the journal, on its one writing connection.

using System.Text;
using Letterbox.Messages;
using Microsoft.Extensions.Logging;
using SQLitePCL;

namespace Letterbox.Store.Journal;

// The journal's transactions. Each is on stable storage when it succeeds, and has no effect when it fails;
// the next one may succeed. Used by one thread at a time.
internal sealed class JournalWriter : IDisposable
{
    // The log is copied into the database every 4 MB (less on a small disk, see JournalCapacity.cs), as far
    // as readers permit, and starts over when no reader uses it. When readers have prevented that for 64 MB,
    // the writer waits for them, at most for its connection's busy timeout, and then not for another 64 MB.
    private const int CheckpointsBetweenWaits = 16;
    private const int PartsOfLog = 4;

    // Rows that one step of a purge deletes or a release moves: a few milliseconds.
    private const int Step = 500, SmallStep = 100;

    private readonly long _logMax;
    private readonly string _path;
    private readonly TimeProvider _time;
    private long _next;
    private long _last;
    private int _checkpoints;

    // Opens the journal; the caller holds the lock.
    public JournalWriter(string path, TimeProvider time, ILogger log)
    {
        (_path, _time, Files) = (path, time, new JournalFiles(path));
        _logMax = JournalCapacity.LogMax(path);
        Use(JournalFile.OpenToWrite(path, log));
    }

    // The greatest seq ever committed; 0 for none. Readable on any thread.
    public long LastSequence => Volatile.Read(ref _last);

    // Null while the disk fails.
    public Sqlite? Connection { get; private set; }

    public JournalFiles Files { get; }

    // Whether the last purge or release has left something for another step.
    public bool HasMore { get; private set; }

    // Stores messages and sets the receipt of each. A message that cannot be stored does not affect the rest.
    public Result Append(IReadOnlyList<Pending> batch) => Transact(file =>
    {
        Statement insert = file.Prepare("""
            INSERT INTO messages (seq, id, date, username, message) SELECT ?1, ?2, ?3, ?4, ?5
            WHERE NOT EXISTS (SELECT 1 FROM rekeyed JOIN messages ON id = new WHERE old = ?2)
            ON CONFLICT (id) DO NOTHING
            """);
        foreach (Pending pending in batch) Insert(file, insert, pending);
    });

    // Copies the whole journal to a new file, even if its files were deleted.
    public Result SaveTo(string copy)
    {
        if (Connection is null) return Result.Failed("the journal is not open");
        try
        {
            DataFolder.Create(Path.GetDirectoryName(copy)!);
            DataFolder.OpenFile(copy).Dispose();
            Connection.Execute($"VACUUM INTO '{copy.Replace("'", "''", StringComparison.Ordinal)}'");
            using FileStream saved = DataFolder.OpenFile(copy);
            saved.Flush(flushToDisk: true);
            return Result.Success;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or StoreException)
        {
            return Result.Failed((e as StoreException)?.Reason ?? e.Message);
        }
    }

    // Marks the messages after `after` up to `upTo` as delivered, except `rejected`, which go to quarantine.
    // Does nothing if the watermark is no longer at `after`: it was set back meanwhile, and these messages
    // are delivered again.
    public Result MarkDelivered(
        long after, long upTo, IReadOnlyList<(long Sequence, string Reason)> rejected) => Transact(file =>
    {
        long now = _time.GetUtcNow().ToUnixTimeMilliseconds();
        file.Prepare("""
            INSERT INTO deliveries (seq, at)
            SELECT ?1, ?2 WHERE ?3 = ifnull((SELECT max(seq) FROM deliveries), 0)
            """).Bind(upTo).Bind(now).Bind(after).Run();
        if (file.Changes == 0) return;
        // For messages that were in quarantine and were delivered again, the new outcome counts.
        file.Prepare("DELETE FROM quarantine WHERE seq > ?1 AND seq <= ?2").Bind(after).Bind(upTo).Run();
        Statement add = file.Prepare("INSERT INTO quarantine (seq, at, reason) VALUES (?1, ?2, ?3)");
        foreach ((long sequence, string reason) in rejected) add.Bind(sequence).Bind(now).Bind(reason).Run();
    });

    // Gives messages the next key (TextKey.cs) at their places, because MongoDB has other documents under
    // theirs.
    // fresh: A random key instead of the next one.
    // rekeyed: gets the messages with their keys, except those that the journal already has under the next
    // key.
    public Result Rekey(IReadOnlyList<JournalEntry> entries, bool fresh, List<JournalEntry> rekeyed) =>
        Transact(file =>
        {
            foreach (JournalEntry entry in entries)
                if (Rekey(file, entry, fresh) is { } changed) rekeyed.Add(changed);
        });

    // Deletes some of the messages that were delivered before that time, oldest first, never quarantined
    // ones.
    public Result Purge(DateTimeOffset before)
    {
        HasMore = false;
        return Transact(file =>
        {
            long expired = file.Prepare("""
                SELECT max(seq) FROM deliveries
                WHERE seq < ifnull((SELECT min(seq) FROM deliveries WHERE at > ?1), 9223372036854775807)
                """).Bind(before.ToUnixTimeMilliseconds()).Scalar();
            if (expired == 0) return;
            // Each message may be on separate pages, which all go to the log.
            int step = _logMax < JournalCapacity.LogMaxAnywhere ? SmallStep : Step;
            file.Prepare("""
                DELETE FROM messages WHERE seq IN (
                  SELECT seq FROM messages WHERE seq <= ?1 AND seq NOT IN (SELECT seq FROM quarantine)
                  ORDER BY seq LIMIT ?2)
                """).Bind(expired).Bind(step).Run();
            HasMore = file.Changes == step;
            // The row at `expired` stays: it may be the watermark, and has the number of the last message.
            file.Prepare("""
                DELETE FROM deliveries WHERE seq IN (
                  SELECT seq FROM deliveries WHERE seq < ?1 ORDER BY seq LIMIT ?2)
                """).Bind(expired).Bind(Step).Run();
            HasMore |= file.Changes == Step;
        });
    }

    // Gives some of the messages to be released from quarantine new numbers, as if they had just arrived, so
    // that they are after the watermark.
    public Result Release()
    {
        HasMore = false;
        return Transact(file =>
        {
            file.Prepare($"""
                UPDATE messages SET seq = ?1 + place FROM (
                  SELECT seq AS old, row_number() OVER (ORDER BY seq) AS place
                  FROM quarantine JOIN messages USING (seq)
                  WHERE at = 0 AND {Quarantine.IsHeld} ORDER BY seq LIMIT ?2)
                WHERE seq = old
                """).Bind(_last).Bind(Step).Run();
            _next += file.Changes;
            HasMore = file.Changes == Step;
            file.Prepare("DELETE FROM quarantine WHERE at = 0 AND seq NOT IN (SELECT seq FROM messages)")
                .Run();
        });
    }

    // Copies the log into the database if it is large enough; called between two batches.
    public void CheckpointIfDue()
    {
        if (Connection is null || Connection.PagesWritten * 4096L < _logMax / PartsOfLog) return;
        bool waiting = ++_checkpoints % CheckpointsBetweenWaits == 0
            && new FileInfo(_path + "-wal") is { Exists: true } log && log.Length > PartsOfLog * _logMax;
        // A failure only costs space: the log keeps what could not be copied until the next time.
        Connection.Checkpoint(waiting);
    }

    // SQLite copies the log into the database and deletes it.
    public void Dispose() => Connection?.Dispose();

    private Result Transact(Action<Sqlite> work)
    {
        try
        {
            Sqlite file = Connection ?? Use(JournalFile.Reopen(_path));
            _next = _last + 1;
            file.Prepare("BEGIN IMMEDIATE").Run();
            work(file);
            // If the disk fails during the commit the transaction has no effect.
            file.Prepare("COMMIT").Run();
        }
        catch (StoreException e)
        {
            if (Connection is not null) Abandon(Connection);
            return Result.Failed(e.Reason);
        }

        Volatile.Write(ref _last, _next - 1);
        return Result.Success;
    }

    private void Abandon(Sqlite file)
    {
        // A full disk or a lock leaves the connection unchanged. After any other error the state of the log
        // is unknown, and the file has to be opened and read again.
        bool harmless = (file.LastError & 0xFF) is raw.SQLITE_FULL or raw.SQLITE_BUSY or raw.SQLITE_LOCKED;
        if (file.InTransaction) file.Prepare("ROLLBACK").TryRun();
        // But not while files are missing: the open ones may be the only copies.
        if (!file.InTransaction && (harmless || Files.FindMissing() is not null)) return;
        file.Dispose();
        Connection = null;
        Files.Closed();
    }

    private void Insert(Sqlite file, Statement insert, Pending pending)
    {
        Message message = pending.Message;
        Span<byte> hex = stackalloc byte[MessageKey.HexLength];
        Span<byte> date = stackalloc byte[StoredMessage.DateFormat.Length];
        StoredMessage.WriteDate(pending.Received.DateTime, date);
        for (MessageKey id = message.Id; ; id = MessageKey.New(_time))
        {
            id.WriteHex(hex);
            int code = insert.Bind(_next).Bind(hex).Bind(date)
                .Bind(message.UsernameUtf8).Bind(message.TextUtf8).TryRun();
            if (code != raw.SQLITE_DONE)
            {
                Reject(file, pending, code);
                return;
            }

            if (file.Changes > 0)
            {
                _next++;
                pending.Receipt = Receipt.Stored(id);
                return;
            }

            if (message.HasServerKey) continue;
            // This message was sent again, or a different one has the key.
            pending.Receipt = Find(file, hex, message.UsernameUtf8, message.TextUtf8) == true
                ? Receipt.Stored(id)
                : Receipt.Taken(id);
            return;
        }
    }

    // Whether this message has the key; null: the key is free.
    private static bool? Find(
        Sqlite file, ReadOnlySpan<byte> id, ReadOnlySpan<byte> username, ReadOnlySpan<byte> text)
    {
        Statement find = file.Prepare("""
            SELECT username, message FROM messages WHERE id = ?1
            UNION ALL SELECT username, message FROM rekeyed JOIN messages ON id = new WHERE old = ?1
            """).Bind(id);
        foreach (Statement row in find.Rows())
            return row.Utf8(0).SequenceEqual(username) && row.Utf8(1).SequenceEqual(text);
        return null;
    }

    // Null: the journal already has it under the next key.
    private JournalEntry? Rekey(Sqlite file, JournalEntry entry, bool fresh)
    {
        StoredMessage message = entry.Message;
        byte[] username = Encoding.UTF8.GetBytes(message.Username);
        byte[] text = Encoding.UTF8.GetBytes(message.Text);
        Span<byte> old = stackalloc byte[MessageKey.HexLength], hex = stackalloc byte[MessageKey.HexLength];
        message.Id.WriteHex(old);
        MessageKey next = message.Id;
        bool? same;
        do
        {
            next = fresh ? MessageKey.New(_time) : TextKey.Of(next, username, text).Next;
            next.WriteHex(hex);
            same = Find(file, hex, username, text);
        }
        while (same == false);

        if (same is null)
            file.Prepare("UPDATE messages SET id = ?2 WHERE seq = ?1").Bind(entry.Sequence).Bind(hex).Run();
        else file.Prepare("DELETE FROM messages WHERE seq = ?1").Bind(entry.Sequence).Run();
        // An earlier key of the message leads to the newest one too.
        file.Prepare("UPDATE rekeyed SET new = ?1 WHERE new = ?2").Bind(hex).Bind(old).Run();
        file.Prepare("INSERT OR REPLACE INTO rekeyed (new, old) VALUES (?1, ?2)").Bind(hex).Bind(old).Run();
        return same is null ? entry with { Message = message with { Id = next } } : null;
    }

    // An error about one message only rejects that message: its statement was rolled back, the transaction
    // continues. Only a size error is permanent. A sequence number that exists was assigned by another writer
    // and fails the batch: the file is opened again, to read the next number.
    private static void Reject(Sqlite file, Pending pending, int code)
    {
        bool tooBig = (code & 0xFF) == raw.SQLITE_TOOBIG;
        bool alone = tooBig || ((code & 0xFF) == raw.SQLITE_CONSTRAINT
            && code is not (raw.SQLITE_CONSTRAINT_PRIMARYKEY or raw.SQLITE_CONSTRAINT_ROWID));
        if (!alone || !file.InTransaction) file.Check(code);
        string reason = Sqlite.Failure(code, "").Reason;
        pending.Receipt = tooBig
            ? Receipt.Rejected($"the message cannot be stored: {reason}")
            : Receipt.Later(reason);
    }

    private Sqlite Use(Sqlite file)
    {
        try
        {
            file.Execute($"PRAGMA journal_size_limit={_logMax}");
            long greatest = Math.Max(
                file.Scalar("SELECT max(seq) FROM messages"), file.Scalar("SELECT max(seq) FROM deliveries"));
            Volatile.Write(ref _last, greatest);
            Files.Opened();
            return Connection = file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
