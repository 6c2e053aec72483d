// Reads the journal in any process, whether the writer is running or not. Each page is read in its own
// transaction: a long one would keep an old state of the database, and the log could not start over before
// its end.
//
// A journal that no process has open is read as it is, without locks. If its files have changed after a query
// a store process was started: then the journal is opened again, and the query is repeated.

using System.Diagnostics.CodeAnalysis;
using System.Text.Unicode;
using Letterbox.Messages;
using SQLitePCL;

namespace Letterbox.Store.Journal;

// A read-only connection to the journal. Not thread-safe. All methods throw a StoreException if the file
// cannot be read.
internal sealed class JournalReader : IStoredMessages
{
    // Most messages in a page; larger MongoDB commands are not faster.
    public const int PageMax = 1_000;

    // A page ends with the message that reaches this many bytes: far below MongoDB's limit of 48 MB for a
    // wire message.
    public const int PageBytesMax = 4 * 1024 * 1024;

    private const string Row = "seq, id, date, username, message";

    private readonly string _path;
    private Sqlite _file;
    private State? _atRest;
    private long _listed;
    private long _damageReported;

    private JournalReader(string path) =>
        (_path, _atRest, _file) = (path, State.AtRest(path), JournalFile.OpenToRead(path));

    // Called once for each range of rows that is skipped because it cannot be read. By default it ends the
    // reading.
    public Action<long, long, string> OnDamage { get; set; } =
        static (_, _, damage) => throw new StoreException(damage);

    private Statement From =>
        _file.Prepare($"SELECT {Row} FROM messages WHERE seq >= ?1 ORDER BY seq LIMIT {PageMax}");

    public static JournalReader Open(string path) => new(path);

    // All messages up to this number are delivered or in quarantine.
    public long ReadWatermark() => Read(() => _file.Scalar("SELECT max(seq) FROM deliveries"));

    // The next page of messages after a number, in order; empty at the end.
    public IReadOnlyList<JournalEntry> ReadAfter(long sequence) => Read(() => ReadReadable(sequence));

    private List<JournalEntry> ReadReadable(long sequence)
    {
        while (true)
        {
            List<JournalEntry> page = ReadPage(sequence, out long last, out bool damaged);
            if (page.Count > 0) return page;
            // A whole page of damaged rows is not the end.
            if (damaged) last = SkipDamage(last);
            if (last == sequence) return page;
            sequence = last;
        }
    }

    // last: the number of the last row that was read; damaged: those behind it cannot be.
    private List<JournalEntry> ReadPage(long after, out long last, out bool damaged)
    {
        var page = new List<JournalEntry>();
        int bytes = 0, code = raw.SQLITE_ROW;
        last = after;
        Statement from = From.Bind(after + 1);
        try
        {
            while (bytes < PageBytesMax && (code = from.TryStep()) == raw.SQLITE_ROW)
            {
                last = from.Integer(0);
                bytes += from.Bytes(3) + from.Bytes(4);
                if (TryReadEntry(from, out JournalEntry? entry)) page.Add(entry);
                else ReportDamage(last, last);
            }
        }
        finally
        {
            from.Reset();
        }

        damaged = (code & 0xFF) == raw.SQLITE_CORRUPT;
        if (!damaged) _file.Check(code);
        return page;
    }

    // A database page that cannot be read hides its own rows only: searches for the first row behind it.
    // Returns the number before that row; the same number: there is none.
    private long SkipDamage(long sequence)
    {
        long damaged = sequence + 1, readable = long.MaxValue;
        for (long step = 1; step < 1L << 40 && readable == long.MaxValue; step *= 2)
        {
            if (CanReadFrom(sequence + step)) readable = sequence + step;
            else damaged = sequence + step;
        }

        while (readable < long.MaxValue && readable - damaged > 1)
        {
            long middle = damaged + (readable - damaged) / 2;
            if (CanReadFrom(middle)) readable = middle;
            else damaged = middle;
        }

        ReportDamage(sequence + 1, readable == long.MaxValue ? readable : damaged);
        return readable == long.MaxValue ? sequence : readable - 1;
    }

    private bool CanReadFrom(long sequence)
    {
        int code = From.Bind(sequence).TryRun();
        if ((code & 0xFF) == raw.SQLITE_CORRUPT) return false;
        _file.Check(code);
        return true;
    }

    private void ReportDamage(long from, long to)
    {
        if (to <= _damageReported) return;
        if (IsChanged) throw new StoreException("the journal was changed");
        _damageReported = to;
        string end = to == long.MaxValue ? "the end" : $"{to}";
        string rows = from == to ? $"row {from}" : $"rows {from} to {end}";
        OnDamage(from, to, $"the journal {_path} is damaged: {rows} cannot be read");
    }

    // The first message that a purge would delete; all later ones are in the journal. Null: there is none, or
    // it cannot be read.
    public JournalEntry? ReadOldest() => Read(() => _file.Prepare(
        $"SELECT {Row} FROM messages WHERE seq NOT IN (SELECT seq FROM quarantine) ORDER BY seq LIMIT 1")
        .First(static row => TryReadEntry(row, out JournalEntry? entry) ? entry : null));

    // When the oldest batch with a mark was delivered; null: none. Purged messages were received before.
    public DateTimeOffset? ReadFirstDelivery() => Read(() =>
        _file.Prepare("SELECT at FROM deliveries ORDER BY seq LIMIT 1")
            .First(static row => (DateTimeOffset?)DateTimeOffset.FromUnixTimeMilliseconds(row.Integer(0))));

    public bool Holds(MessageKey id) => Read(() =>
        _file.Prepare("SELECT 1 FROM messages WHERE id = ?1").Bind(id.ToString()).Scalar() != 0);

    // The message of a receipt, also if it has another key by now. Null: there is none, or it is damaged.
    public StoredMessage? Find(MessageKey id) => Read(() =>
        _file.Prepare($"SELECT {Row} FROM messages WHERE id = ?1").Bind(KeyOf(id).ToString())
            .First(static row => TryReadEntry(row, out JournalEntry? entry) ? entry.Message : null));

    // The key that the message of a receipt has now.
    public MessageKey KeyOf(MessageKey id)
    {
        if (CountRekeyed() == 0) return id;
        string? current = Read(() => _file.Prepare("SELECT new FROM rekeyed WHERE old = ?1")
            .Bind(id.ToString()).First(static row => row.Text(0)));
        return MessageKey.TryParse(current, out MessageKey key) ? key : id;
    }

    // Why MongoDB rejects this message; null: it is not in quarantine.
    public string? QuarantineReason(long sequence) => Read(() =>
        _file.Prepare("SELECT reason FROM quarantine WHERE seq = ?1").Bind(sequence)
            .First(static row => row.Text(0)));

    // In order, streamed.
    public IEnumerable<QuarantinedMessage> ReadQuarantine()
    {
        for (long after = 0, last = 0; ; after = last)
        {
            List<QuarantinedMessage> page = Read(() => ReadQuarantine(after, out last));
            foreach (QuarantinedMessage message in page) yield return message;
            if (last == after) yield break;
        }
    }

    private List<QuarantinedMessage> ReadQuarantine(long after, out long last)
    {
        var page = new List<QuarantinedMessage>();
        last = after;
        foreach (Statement row in _file.Prepare($"""
            SELECT {Row}, at, reason FROM quarantine JOIN messages USING (seq)
            WHERE seq > ?1 AND {Quarantine.IsHeld} ORDER BY seq LIMIT {PageMax}
            """).Bind(after).Rows())
        {
            last = row.Integer(0);
            long at = row.Integer(5);
            DateTimeOffset? since = at == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(at);
            if (TryReadEntry(row, out JournalEntry? entry)) page.Add(new(entry, row.Text(6), since));
            else ReportDamage(last, last);
        }

        return page;
    }

    public long CountQuarantine() =>
        Read(() => _file.Scalar($"SELECT count(*) FROM quarantine WHERE {Quarantine.IsHeld}"));

    // Keys that were replaced because MongoDB has other documents under them. A journal of version 1 has no
    // such table until a store process opens it.
    public long CountRekeyed() => Read(() =>
        _file.Scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'rekeyed'") == 0
            ? 0
            : _file.Scalar("SELECT count(*) FROM rekeyed"));

    public bool IsReleaseRequested() => Read(() => _file.Scalar(
        $"SELECT EXISTS (SELECT 1 FROM quarantine WHERE at = 0 AND {Quarantine.IsHeld})") != 0);

    // SQLite's findings, one line each, at most 100; none if the file is intact. Reads the whole file, and
    // prevents the log from starting over meanwhile.
    public IReadOnlyList<string> CheckIntegrity() => Read(() => _file.Prepare("PRAGMA integrity_check").Rows()
        .Select(static row => row.Text(0)).Where(static finding => finding != "ok").ToArray());

    public IEnumerable<StoredMessage> ReadAll()
    {
        _listed = 0;
        return ReadNew();
    }

    public IEnumerable<StoredMessage> ReadNew()
    {
        while (ReadAfter(_listed) is { Count: > 0 } page)
        {
            foreach (JournalEntry entry in page)
            {
                _listed = entry.Sequence;
                yield return entry.Message;
            }
        }
    }

    public void Dispose() => _file.Dispose();

    private bool IsChanged => _atRest is { } state && State.AtRest(_path) != state;

    private T Read<T>(Func<T> query)
    {
        while (true)
        {
            try
            {
                T result = query();
                if (!IsChanged) return result;
            }
            catch (StoreException) when (IsChanged)
            {
            }

            _file.Dispose();
            (_atRest, _file) = (State.AtRest(_path), JournalFile.OpenToRead(_path));
        }
    }

    private JournalEntry ReadEntry(Statement row) => TryReadEntry(row, out JournalEntry? entry)
        ? entry
        : throw new StoreException($"the journal {_path} is damaged: row {row.Integer(0)} cannot be read");

    private static bool TryReadEntry(Statement row, [NotNullWhen(true)] out JournalEntry? entry)
    {
        entry = null;
        if (!MessageKey.TryParse(row.Text(1), out MessageKey id)) return false;
        for (int column = 2; column <= 4; column++)
            if (!Utf8.IsValid(row.Utf8(column))) return false;
        entry = new(row.Integer(0), new StoredMessage(id, row.Text(2), row.Text(3), row.Text(4)));
        return true;
    }

    // The files of a journal that no process has open; null: one may have.
    private readonly record struct State(long Length, DateTime Written, long LogLength, DateTime LogWritten)
    {
        public static State? AtRest(string path) => JournalFile.HasLogAndIndex(path)
            ? null
            : new(LogCheck.Length(path), File.GetLastWriteTimeUtc(path),
                LogCheck.Length(path + "-wal"), File.GetLastWriteTimeUtc(path + "-wal"));
    }
}
