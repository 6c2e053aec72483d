// Reads the journal in any process, whether the writer is running or not. Each page is read in its own
// transaction: a long one would keep an old state of the database, and the log could not start over before
// its end.

using System.Diagnostics.CodeAnalysis;
using System.Text.Unicode;
using Letterbox.Messages;
using SQLitePCL;

namespace Letterbox.Store.Journal;

/// <summary>A read-only connection to the journal. Not thread-safe.</summary>
internal sealed class JournalReader : IStoredMessages
{
    // Most messages in a page; larger MongoDB commands are not faster.
    public const int PageMax = 1_000;

    // A page ends with the message that reaches this many bytes: far below MongoDB's limit of 48 MB for a
    // wire message.
    public const int PageBytesMax = 4 * 1024 * 1024;

    private readonly string _path;
    private readonly Sqlite _connection;
    private readonly Statement _from;
    private readonly Statement _oldest;
    private readonly Statement _holds;
    private readonly Statement _quarantine;
    private readonly Statement _quarantined;
    private long _listed;
    private long _damageReported;

    // Called once for each range of rows that is skipped because it cannot be read. By default it ends the
    // reading.
    public Action<long, long, string> OnDamage { get; set; } =
        static (_, _, damage) => throw new StoreException(damage);

    private JournalReader(string path, Sqlite connection)
    {
        const string row = "seq, id, date, username, message";
        (_path, _connection) = (path, connection);
        _from = Prepare($"SELECT {row} FROM messages WHERE seq >= ?1 ORDER BY seq LIMIT {PageMax}");
        _oldest = Prepare($"""
            SELECT {row} FROM messages WHERE seq NOT IN (SELECT seq FROM quarantine) ORDER BY seq LIMIT 1
            """);
        _holds = Prepare("SELECT 1 FROM messages WHERE id = ?1");
        _quarantine = Prepare("SELECT reason FROM quarantine WHERE seq = ?1");
        _quarantined = Prepare($"""
            SELECT {row}, at, reason FROM quarantine JOIN messages USING (seq)
            WHERE seq > ?1 AND {Quarantine.IsHeld} ORDER BY seq LIMIT {PageMax}
            """);
    }

    /// <exception cref="StoreException">There is no journal, or it cannot be read.</exception>
    public static JournalReader Open(string path)
    {
        Sqlite connection = JournalFile.OpenToRead(path);
        try
        {
            return new JournalReader(path, connection);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    // All messages up to this number are delivered or in quarantine.
    public long ReadWatermark() => Scalar("SELECT max(seq) FROM deliveries");

    /// <summary>The next page of messages after a number, in order; empty at the end.</summary>
    /// <exception cref="StoreException">The file cannot be read; all methods throw it.</exception>
    public IReadOnlyList<JournalEntry> ReadAfter(long sequence)
    {
        var page = new List<JournalEntry>();
        int bytes = 0;
        long after = sequence;
        // In a recursive call it has just run: values are bound only after a reset.
        _from.Reset();
        _from.Bind(1, sequence + 1);
        try
        {
            int code = raw.SQLITE_ROW;
            while (bytes < PageBytesMax && (code = _from.Step()) == raw.SQLITE_ROW)
            {
                sequence = _from.Integer(0);
                bytes += _from.Bytes(3) + _from.Bytes(4);
                if (TryReadEntry(_from, out JournalEntry? entry)) page.Add(entry);
                else ReportDamage(sequence, sequence);
            }

            if ((code & 0xFF) != raw.SQLITE_CORRUPT) CheckStep(code);
            else if (page.Count == 0) return ReadBehindDamage(sequence);
            // A whole page of damaged rows is not the end.
            return page.Count == 0 && sequence > after ? ReadAfter(sequence) : page;
        }
        finally
        {
            _from.Reset();
        }
    }

    // A database page that cannot be read hides its own rows only: searches for the first row behind it.
    private IReadOnlyList<JournalEntry> ReadBehindDamage(long sequence)
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
        return readable == long.MaxValue ? [] : ReadAfter(readable - 1);
    }

    private bool CanReadFrom(long sequence)
    {
        _from.Reset();
        _from.Bind(1, sequence);
        int code = _from.Step();
        _from.Reset();
        if ((code & 0xFF) == raw.SQLITE_CORRUPT) return false;
        CheckStep(code);
        return true;
    }

    private void ReportDamage(long from, long to)
    {
        if (to <= _damageReported) return;
        _damageReported = to;
        string end = to == long.MaxValue ? "the end" : $"{to}";
        string rows = from == to ? $"row {from}" : $"rows {from} to {end}";
        OnDamage(from, to, $"the journal {_path} is damaged: {rows} cannot be read");
    }

    // The first message that a purge would delete; all later ones are in the journal. Null: there is none.
    public JournalEntry? ReadOldest() => One(_oldest, ReadEntry);

    // When the oldest batch with a mark was delivered; null: none. Purged messages were received before.
    public DateTimeOffset? ReadFirstDelivery()
    {
        long at = Scalar("SELECT ifnull((SELECT at FROM deliveries ORDER BY seq LIMIT 1), -1)");
        return at < 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(at);
    }

    public bool Holds(MessageKey id)
    {
        _holds.Bind(1, id.ToString());
        return One(_holds, static row => row) is not null;
    }

    // Why MongoDB rejects this message; null: it is not in quarantine.
    public string? QuarantineReason(long sequence)
    {
        _quarantine.Bind(1, sequence);
        return One(_quarantine, static row => row.Text(0));
    }

    // In order, streamed.
    public IEnumerable<QuarantinedMessage> ReadQuarantine()
    {
        IReadOnlyList<QuarantinedMessage> page;
        for (long after = 0; (page = ReadQuarantine(after)).Count > 0; after = page[^1].Entry.Sequence)
        {
            foreach (QuarantinedMessage message in page) yield return message;
        }
    }

    public long CountQuarantine() => Scalar($"SELECT count(*) FROM quarantine WHERE {Quarantine.IsHeld}");

    // Keys that were replaced because MongoDB has other documents under them.
    public long CountRekeyed() =>
        // A journal of version 1 has no such table until a store process opens it.
        Scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'rekeyed'") == 0
            ? 0
            : Scalar("SELECT count(*) FROM rekeyed");

    public bool IsReleaseRequested() => Scalar(
        $"SELECT EXISTS (SELECT 1 FROM quarantine WHERE at = 0 AND {Quarantine.IsHeld})") != 0;

    /// <summary>
    /// SQLite's findings, one line each, at most 100; none if the file is intact. Reads the whole file, and
    /// prevents the log from starting over meanwhile.
    /// </summary>
    public IReadOnlyList<string> CheckIntegrity()
    {
        using Statement check = Prepare("PRAGMA integrity_check");
        var findings = new List<string>();
        int code;
        while ((code = check.Step()) == raw.SQLITE_ROW)
        {
            if (check.Text(0) != "ok") findings.Add(check.Text(0));
        }

        CheckStep(code);
        return findings;
    }

    public IEnumerable<StoredMessage> ReadAll()
    {
        _listed = 0;
        return ReadNew();
    }

    public IEnumerable<StoredMessage> ReadNew()
    {
        while (true)
        {
            IReadOnlyList<JournalEntry> page = ReadAfter(_listed);
            if (page.Count == 0) yield break;
            foreach (JournalEntry entry in page)
            {
                _listed = entry.Sequence;
                yield return entry.Message;
            }
        }
    }

    public void Dispose()
    {
        _from.Dispose();
        _oldest.Dispose();
        _holds.Dispose();
        _quarantine.Dispose();
        _quarantined.Dispose();
        _connection.Dispose();
    }

    private List<QuarantinedMessage> ReadQuarantine(long after)
    {
        var page = new List<QuarantinedMessage>();
        long first = after;
        _quarantined.Reset();
        _quarantined.Bind(1, after);
        try
        {
            int code;
            while ((code = _quarantined.Step()) == raw.SQLITE_ROW)
            {
                long at = _quarantined.Integer(5);
                DateTimeOffset? since = at == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(at);
                after = _quarantined.Integer(0);
                if (TryReadEntry(_quarantined, out JournalEntry? entry))
                    page.Add(new QuarantinedMessage(entry, _quarantined.Text(6), since));
                else ReportDamage(after, after);
            }

            CheckStep(code);
            return page.Count == 0 && after > first ? ReadQuarantine(after) : page;
        }
        finally
        {
            _quarantined.Reset();
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
        {
            if (!Utf8.IsValid(row.Utf8(column))) return false;
        }

        var message = new StoredMessage(id, row.Text(2), row.Text(3), row.Text(4));
        entry = new JournalEntry(row.Integer(0), message);
        return true;
    }

    private T? One<T>(Statement statement, Func<Statement, T> read) where T : class
    {
        try
        {
            int code = statement.Step();
            CheckStep(code);
            return code == raw.SQLITE_ROW ? read(statement) : null;
        }
        finally
        {
            statement.Reset();
        }
    }

    private long Scalar(string sql)
    {
        JournalFile.Check(_connection.Scalar(sql, out long value), _path);
        return value;
    }

    private Statement Prepare(string sql)
    {
        JournalFile.Check(_connection.Prepare(sql, out Statement? statement), _path);
        return statement!;
    }

    private void CheckStep(int code)
    {
        if (code is not (raw.SQLITE_ROW or raw.SQLITE_DONE)) JournalFile.Check(code, _path);
    }
}
