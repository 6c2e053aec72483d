// All transactions that write to the journal, on its one writing connection.

using System.Text;
using Letterbox.Messages;
using Microsoft.Extensions.Logging;
using SQLitePCL;

namespace Letterbox.Store.Journal;

/// <summary>
/// The journal's transactions. Each is on stable storage when it succeeds, and has no effect when it fails;
/// the next one may succeed. Used by one thread at a time.
/// </summary>
internal sealed class JournalWriter : IDisposable
{
    // The log is copied into the database every 4 MB (less on a small disk, see JournalCapacity.cs), as far
    // as readers permit, and starts over when no reader uses it. When readers have prevented that for 64 MB,
    // the writer waits for them, at most for its connection's busy timeout, and then not for another 64 MB.
    private const int CheckpointsBetweenWaits = 16;
    private const int PartsOfLog = 4;
    private const int SmallStep = 100;

    private readonly long _logMax;
    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly JournalFiles _files;
    private JournalStatements? _open;
    private long _next;
    private long _last;
    private int _checkpoints;

    /// <summary>Opens the journal; the caller holds the lock.</summary>
    /// <exception cref="StoreException">It cannot be used.</exception>
    public JournalWriter(string path, TimeProvider time, ILogger log)
    {
        (_path, _time, _files) = (path, time, new JournalFiles(path));
        _logMax = JournalCapacity.LogMax(path);
        Use(JournalFile.OpenToWrite(path, log));
    }

    // The greatest seq ever committed; 0 for none. Readable on any thread.
    public long LastSequence => Volatile.Read(ref _last);

    // Null while the disk fails.
    public Sqlite? Connection => _open?.Connection;

    public JournalFiles Files => _files;

    // Stores messages and sets the receipt of each. A message that cannot be stored does not affect the rest.
    public Result Append(IReadOnlyList<Pending> batch)
    {
        if (Begin() is { Succeeded: false } failed) return failed;
        int code = raw.SQLITE_OK;
        for (int i = 0; i < batch.Count && code == raw.SQLITE_OK; i++) code = Insert(batch[i]);
        return End(code);
    }

    // Copies the whole journal to a new file, even if its files were deleted.
    public Result SaveTo(string copy)
    {
        if (_open is null) return Result.Failed("the journal is not open");
        try
        {
            PrivateFile.Open(copy).Dispose();
            string quoted = copy.Replace("'", "''", StringComparison.Ordinal);
            int code = _open.Connection.Execute($"VACUUM INTO '{quoted}'");
            if (code != raw.SQLITE_OK) return Result.Failed(Sqlite.Explain(code));
            using FileStream saved = PrivateFile.Open(copy);
            saved.Flush(flushToDisk: true);
            return Result.Success;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Result.Failed(e.Message);
        }
    }

    /// <summary>
    /// Marks the messages after <paramref name="after"/> up to <paramref name="upTo"/> as delivered, except
    /// <paramref name="rejected"/>, which go to quarantine. Does nothing if the watermark is no longer at
    /// <paramref name="after"/>: it was set back meanwhile, and these messages are delivered again.
    /// </summary>
    public Result MarkDelivered(
        long after, long upTo, IReadOnlyList<(long Sequence, string Reason)> rejected)
    {
        if (Begin() is { Succeeded: false } failed) return failed;
        JournalStatements open = _open!;
        long now = _time.GetUtcNow().ToUnixTimeMilliseconds();
        open.Deliver.Bind(1, upTo);
        open.Deliver.Bind(2, now);
        open.Deliver.Bind(3, after);
        int code = open.Deliver.Run();
        if (code != raw.SQLITE_OK || open.Connection.Changes == 0) return End(code);

        // For messages that were in quarantine and were delivered again, the new outcome counts.
        open.Forget.Bind(1, after);
        open.Forget.Bind(2, upTo);
        code = open.Forget.Run();
        for (int i = 0; i < rejected.Count && code == raw.SQLITE_OK; i++)
        {
            open.Quarantine.Bind(1, rejected[i].Sequence);
            open.Quarantine.Bind(2, now);
            open.Quarantine.Bind(3, rejected[i].Reason);
            code = open.Quarantine.Run();
        }

        return End(code);
    }

    /// <summary>
    /// Gives messages the next key (TextKey.cs) at their places, because MongoDB has other documents under
    /// theirs.
    /// </summary>
    /// <param name="fresh">A random key instead of the next one.</param>
    /// <param name="rekeyed">
    /// The messages with their keys, except those that the journal already has under the next key.
    /// </param>
    public Result Rekey(
        IReadOnlyList<JournalEntry> entries, bool fresh, out IReadOnlyList<JournalEntry> rekeyed)
    {
        var found = new List<JournalEntry>(entries.Count);
        rekeyed = found;
        if (Begin() is { Succeeded: false } failed) return failed;
        int code = raw.SQLITE_OK;
        for (int i = 0; i < entries.Count && code == raw.SQLITE_OK; i++)
            code = Rekey(entries[i], fresh, found);
        return End(code);
    }

    // Deletes some of the messages that were delivered before that time, oldest first, never quarantined
    // ones. done: none are left.
    public Result Purge(DateTimeOffset before, out bool done)
    {
        done = true;
        if (Begin() is { Succeeded: false } failed) return failed;
        JournalStatements open = _open!;
        int code = ExpiredUpTo(before, out long expired);
        if (code == raw.SQLITE_OK && expired > 0)
        {
            // Each message may be on separate pages, which all go to the log.
            int step = _logMax < JournalCapacity.LogMaxAnywhere ? SmallStep : JournalStatements.Step;
            open.PurgeMessages.Bind(1, expired);
            open.PurgeMessages.Bind(2, step);
            code = open.PurgeMessages.Run();
            done = open.Connection.Changes < step;
            // The row at `expired` stays: it may be the watermark, and has the number of the last message.
            open.PurgeDeliveries.Bind(1, expired);
            if (code == raw.SQLITE_OK) code = open.PurgeDeliveries.Run();
            done &= open.Connection.Changes < JournalStatements.Step;
        }

        return End(code);
    }

    // Gives some of the messages to be released from quarantine new numbers, as if they had just arrived, so
    // that they are after the watermark. done: none are left.
    public Result Release(out bool done)
    {
        done = true;
        if (Begin() is { Succeeded: false } failed) return failed;
        JournalStatements open = _open!;
        open.Move.Bind(1, _last);
        int code = open.Move.Run();
        if (code == raw.SQLITE_OK)
        {
            int moved = open.Connection.Changes;
            _next += moved;
            done = moved < JournalStatements.Step;
            code = open.ForgetMoved.Run();
        }

        return End(code);
    }

    // Copies the log into the database if it is large enough; called between two batches.
    public void CheckpointIfDue()
    {
        if (_open is null || _open.Connection.PagesWritten * 4096L < _logMax / PartsOfLog) return;
        bool waiting = ++_checkpoints % CheckpointsBetweenWaits == 0
            && new FileInfo(_path + "-wal") is { Exists: true } log && log.Length > PartsOfLog * _logMax;
        // A failure only costs space: the log keeps what could not be copied until the next time.
        _open.Connection.Checkpoint(waiting);
    }

    // SQLite copies the log into the database and deletes it.
    public void Dispose() => _open?.Dispose();

    private Result Begin()
    {
        try
        {
            if (_open is null) Use(JournalFile.Reopen(_path));
        }
        catch (StoreException e)
        {
            return Result.Failed(e.Reason);
        }

        _next = _last + 1;
        int code = _open!.Begin.Run();
        return code == raw.SQLITE_OK ? Result.Success : Fail(code);
    }

    // Commits if all succeeded. If the disk fails during the commit the transaction has no effect.
    private Result End(int code)
    {
        if (code == raw.SQLITE_OK) code = _open!.Commit.Run();
        if (code != raw.SQLITE_OK) return Fail(code);
        Volatile.Write(ref _last, _next - 1);
        return Result.Success;
    }

    private Result Fail(int code)
    {
        if (_open!.Connection.InTransaction) _open.Rollback.Run();
        // A full disk or a lock leaves the connection unchanged. After any other error the state of the log
        // is unknown, and the file has to be opened and read again.
        bool harmless = (code & 0xFF) is raw.SQLITE_FULL or raw.SQLITE_BUSY or raw.SQLITE_LOCKED;
        // But not while files are missing: the open ones may be the only copies.
        if ((!harmless && _files.FindMissing() is null) || _open.Connection.InTransaction)
        {
            _open.Dispose();
            _open = null;
            _files.Closed();
        }

        return Result.Failed(Sqlite.Explain(code));
    }

    private int Insert(Pending pending)
    {
        Message message = pending.Message;
        MessageKey id = message.Id;
        Span<byte> hex = stackalloc byte[MessageKey.HexLength];
        Span<byte> date = stackalloc byte[StoredMessage.DateFormat.Length];
        StoredMessage.WriteDate(pending.Received.DateTime, date);

        Statement insert = _open!.Insert;
        insert.Bind(1, _next);
        insert.Bind(3, date);
        insert.Bind(4, message.UsernameUtf8);
        insert.Bind(5, message.TextUtf8);
        for (; ; id = MessageKey.New(_time))
        {
            id.WriteHex(hex);
            insert.Bind(2, hex);
            int code = insert.Run();
            if (code != raw.SQLITE_OK) return Reject(pending, code);
            if (_open.Connection.Changes > 0) break;
            if (!message.HasServerKey) return ResolveDuplicateKey(pending, hex);
        }

        _next++;
        pending.Receipt = Receipt.Stored(id);
        return raw.SQLITE_OK;
    }

    // The key exists: this message was sent again, or a different one has it.
    private int ResolveDuplicateKey(Pending pending, ReadOnlySpan<byte> id)
    {
        Message message = pending.Message;
        int code = Find(id, message.UsernameUtf8, message.TextUtf8, out bool? same);
        pending.Receipt = same == true ? Receipt.Stored(message.Id) : Receipt.Taken(message.Id);
        return code;
    }

    // same: whether this message has the key; null: the key is free.
    private int Find(
        ReadOnlySpan<byte> id, ReadOnlySpan<byte> username, ReadOnlySpan<byte> text, out bool? same)
    {
        Statement find = _open!.Find;
        find.Bind(1, id);
        int code = find.Step();
        same = code != raw.SQLITE_ROW
            ? null
            : find.Utf8(0).SequenceEqual(username) && find.Utf8(1).SequenceEqual(text);
        find.Reset();
        return code is raw.SQLITE_ROW or raw.SQLITE_DONE ? raw.SQLITE_OK : code;
    }

    private int Rekey(JournalEntry entry, bool fresh, List<JournalEntry> rekeyed)
    {
        StoredMessage message = entry.Message;
        byte[] username = Encoding.UTF8.GetBytes(message.Username);
        byte[] text = Encoding.UTF8.GetBytes(message.Text);
        Span<byte> old = stackalloc byte[MessageKey.HexLength], hex = stackalloc byte[MessageKey.HexLength];
        message.Id.WriteHex(old);
        MessageKey next = message.Id;
        bool? same;
        int code;
        do
        {
            next = fresh ? MessageKey.New(_time) : TextKey.Of(next, username, text).Next;
            next.WriteHex(hex);
            code = Find(hex, username, text, out same);
        }
        while (code == raw.SQLITE_OK && same == false);

        if (same is null) rekeyed.Add(entry with { Message = message with { Id = next } });
        Statement change = same is null ? _open!.Rekey : _open!.Remove;
        change.Bind(1, entry.Sequence);
        if (same is null) change.Bind(2, hex);
        if (code == raw.SQLITE_OK) code = change.Run();
        // An earlier key of the message leads to the newest one too.
        foreach (Statement note in (Statement[])[_open.Follow, _open.NoteRekeyed])
        {
            note.Bind(1, hex);
            note.Bind(2, old);
            if (code == raw.SQLITE_OK) code = note.Run();
        }

        return code;
    }

    // An error about one message only rejects that message: its statement was rolled back, the transaction
    // continues. Only a size error is permanent. A sequence number that exists was assigned by another writer
    // and fails the batch: the file is opened again, to read the next number.
    private int Reject(Pending pending, int code)
    {
        bool tooBig = (code & 0xFF) == raw.SQLITE_TOOBIG;
        bool alone = tooBig || ((code & 0xFF) == raw.SQLITE_CONSTRAINT
            && code is not (raw.SQLITE_CONSTRAINT_PRIMARYKEY or raw.SQLITE_CONSTRAINT_ROWID));
        if (!alone || !_open!.Connection.InTransaction) return code;
        string reason = Sqlite.Explain(code);
        pending.Receipt = tooBig
            ? Receipt.Rejected($"the message cannot be stored: {reason}")
            : Receipt.Later(reason);
        return raw.SQLITE_OK;
    }

    private int ExpiredUpTo(DateTimeOffset before, out long sequence)
    {
        Statement expired = _open!.Expired;
        expired.Bind(1, before.ToUnixTimeMilliseconds());
        int code = expired.Step();
        sequence = code == raw.SQLITE_ROW ? expired.Integer(0) : 0;
        expired.Reset();
        return code == raw.SQLITE_ROW ? raw.SQLITE_OK : code;
    }

    private void Use(Sqlite connection)
    {
        JournalStatements? open = null;
        try
        {
            JournalFile.Check(connection.Execute($"PRAGMA journal_size_limit={_logMax}"), _path);
            open = new JournalStatements(connection, _path);
            Volatile.Write(ref _last, Math.Max(Greatest("messages"), Greatest("deliveries")));
            _files.Opened();
            _open = open;
        }
        catch
        {
            if (open is null) connection.Dispose();
            else open.Dispose();
            throw;
        }

        long Greatest(string table)
        {
            JournalFile.Check(connection.Scalar($"SELECT max(seq) FROM {table}", out long greatest), _path);
            return greatest;
        }
    }
}
