// Everything that is ever written to the journal, as transactions on its one writing connection.

using System.Text;
using Letterbox.Messages;
using Microsoft.Extensions.Logging;
using SQLitePCL;

namespace Letterbox.Store.Journal;

/// <summary>
/// The journal's transactions. Each returns null once it is on stable storage, or why nothing of it is done;
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

    /// <summary>Opens the journal at <paramref name="path"/>, whose lock the caller holds.</summary>
    /// <exception cref="StoreException">It cannot be used.</exception>
    public JournalWriter(string path, TimeProvider time, ILogger log)
    {
        (_path, _time, _files) = (path, time, new JournalFiles(path));
        _logMax = JournalCapacity.LogMax(path);
        Use(JournalFile.OpenToWrite(path, log));
    }

    /// <summary>The greatest seq ever committed; 0 for none. Readable on any thread.</summary>
    public long LastSequence => Volatile.Read(ref _last);

    /// <summary>The connection, null while the disk fails; for tests, which make it fail.</summary>
    public Sqlite? Connection => _open?.Connection;

    /// <summary>Whether the files are still where they were opened.</summary>
    public JournalFiles Files => _files;

    /// <summary>
    /// Stores a batch of messages, and sets the receipt of each. One that cannot be stored does not harm
    /// others.
    /// </summary>
    public string? Append(IReadOnlyList<Pending> batch)
    {
        if (Begin() is { } failure) return failure;
        int code = raw.SQLITE_OK;
        for (int i = 0; i < batch.Count && code == raw.SQLITE_OK; i++) code = Insert(batch[i]);
        return End(code);
    }

    /// <summary>
    /// Writes all that the journal holds, deleted files included, to a new file. Returns null once it is on
    /// stable storage, or why it is not.
    /// </summary>
    public string? SaveTo(string copy)
    {
        if (_open is null) return "the journal is not open";
        try
        {
            PrivateFile.Open(copy).Dispose();
            string quoted = copy.Replace("'", "''", StringComparison.Ordinal);
            int code = _open.Connection.Execute($"VACUUM INTO '{quoted}'");
            if (code != raw.SQLITE_OK) return Sqlite.Explain(code);
            using FileStream saved = PrivateFile.Open(copy);
            saved.Flush(flushToDisk: true);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }

    /// <summary>
    /// Notes that every message after <paramref name="after"/> up to <paramref name="upTo"/> is in MongoDB,
    /// except <paramref name="rejected"/>, which it does not take. When the watermark is not at <paramref
    /// name="after"/> any more, nothing is noted: it was set back while these were on their way, and to move
    /// it on would leave out what it was set back for.
    /// </summary>
    public string? MarkDelivered(
        long after, long upTo, IReadOnlyList<(long Sequence, string Reason)> rejected)
    {
        if (Begin() is { } failure) return failure;
        JournalStatements open = _open!;
        long now = _time.GetUtcNow().ToUnixTimeMilliseconds();
        open.Deliver.Bind(1, upTo);
        open.Deliver.Bind(2, now);
        open.Deliver.Bind(3, after);
        int code = open.Deliver.Run();
        if (code != raw.SQLITE_OK || open.Connection.Changes == 0) return End(code);

        // What was in quarantine and is delivered again is judged anew.
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
    /// Gives messages the next key (TextKey.cs) at their places, as MongoDB has other documents under theirs.
    /// </summary>
    /// <param name="entries">The messages.</param>
    /// <param name="fresh">A key that nobody can have taken, instead of the next one.</param>
    /// <param name="rekeyed">
    /// The messages with their keys; without those that are in the journal under the next key already.
    /// </param>
    public string? Rekey(
        IReadOnlyList<JournalEntry> entries, bool fresh, out IReadOnlyList<JournalEntry> rekeyed)
    {
        var found = new List<JournalEntry>(entries.Count);
        rekeyed = found;
        if (Begin() is { } failure) return failure;
        int code = raw.SQLITE_OK;
        for (int i = 0; i < entries.Count && code == raw.SQLITE_OK; i++)
            code = Rekey(entries[i], fresh, found);
        return End(code);
    }

    /// <summary>
    /// Deletes some of the messages that were delivered before <paramref name="before"/>, oldest first,
    /// quarantined ones never. <paramref name="done"/>: none are left.
    /// </summary>
    public string? Purge(DateTimeOffset before, out bool done)
    {
        done = true;
        if (Begin() is { } failure) return failure;
        JournalStatements open = _open!;
        int code = ExpiredUpTo(before, out long expired);
        if (code == raw.SQLITE_OK && expired > 0)
        {
            // Each message may be on pages of its own, and all of them go to the log.
            int step = _logMax < JournalCapacity.LogMaxAnywhere ? SmallStep : JournalStatements.Step;
            open.PurgeMessages.Bind(1, expired);
            open.PurgeMessages.Bind(2, step);
            code = open.PurgeMessages.Run();
            done = open.Connection.Changes < step;
            // The row at `expired` stays: it may be the watermark, and holds the number of the last message.
            open.PurgeDeliveries.Bind(1, expired);
            if (code == raw.SQLITE_OK) code = open.PurgeDeliveries.Run();
            done &= open.Connection.Changes < JournalStatements.Step;
        }

        return End(code);
    }

    /// <summary>
    /// Gives some of the messages that are to leave quarantine new numbers, as if they had just come: so they
    /// are after the watermark. <paramref name="done"/>: none are left.
    /// </summary>
    public string? Release(out bool done)
    {
        done = true;
        if (Begin() is { } failure) return failure;
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

    /// <summary>
    /// Copies the log into the database when enough has gathered there; for the time between two batches.
    /// </summary>
    public void CheckpointIfDue()
    {
        if (_open is null || _open.Connection.PagesWritten * 4096L < _logMax / PartsOfLog) return;
        bool waiting = ++_checkpoints % CheckpointsBetweenWaits == 0
            && new FileInfo(_path + "-wal") is { Exists: true } log && log.Length > PartsOfLog * _logMax;
        // A failure costs nothing but room: the log keeps what could not be copied, and the next time comes.
        _open.Connection.Checkpoint(waiting);
    }

    /// <summary>Closes the connection; SQLite copies the log into the database and removes it.</summary>
    public void Dispose() => _open?.Dispose();

    private string? Begin()
    {
        try
        {
            if (_open is null) Use(JournalFile.Reopen(_path));
        }
        catch (StoreException e)
        {
            return e.Reason;
        }

        _next = _last + 1;
        int code = _open!.Begin.Run();
        return code == raw.SQLITE_OK ? null : Fail(code);
    }

    // Commits when all went well. The commit is where the disk may fail: then nothing of the transaction is
    // done.
    private string? End(int code)
    {
        if (code == raw.SQLITE_OK) code = _open!.Commit.Run();
        if (code != raw.SQLITE_OK) return Fail(code);
        Volatile.Write(ref _last, _next - 1);
        return null;
    }

    private string Fail(int code)
    {
        if (_open!.Connection.InTransaction) _open.Rollback.Run();
        // A full disk or a lock leaves the connection as it was before. After anything else it is not known
        // what the log holds: what is true is in the file, to be read again.
        bool harmless = (code & 0xFF) is raw.SQLITE_FULL or raw.SQLITE_BUSY or raw.SQLITE_LOCKED;
        // But not while the files are gone: what is open may be all that is left of them.
        if ((!harmless && _files.Failure() is null) || _open.Connection.InTransaction)
        {
            _open.Dispose();
            _open = null;
            _files.Closed();
        }

        return Sqlite.Explain(code);
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

    // The key is taken: by this very message, sent again, or by another one.
    private int ResolveDuplicateKey(Pending pending, ReadOnlySpan<byte> id)
    {
        Message message = pending.Message;
        int code = Find(id, message.UsernameUtf8, message.TextUtf8, out bool? same);
        pending.Receipt = same == true ? Receipt.Stored(message.Id) : Receipt.Taken(message.Id);
        return code;
    }

    // Null: the key is free. Else whether this very message has it.
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

    // What SQLite has against one message alone costs that one its place: its statement was undone, the
    // transaction goes on. Only its size is its own fault. A number that is taken was given by another
    // writer, and is about the batch: the file is opened again, and says what the next number is.
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
