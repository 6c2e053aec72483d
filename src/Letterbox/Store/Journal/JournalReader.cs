// Reads the journal while the writer is at work, in this process or in another. Every read is a page of its
// own: a long transaction would hold on to an old state of the database, and the write-ahead log could not
// start over before it ends.

using System.Diagnostics.CodeAnalysis;
using System.Text.Unicode;
using Letterbox.Messages;
using SQLitePCL;

namespace Letterbox.Store.Journal;

/// <summary>A read-only connection to the journal. Not thread-safe.</summary>
internal sealed class JournalReader : IStoredMessages
{
    /// <summary>
    /// Most messages in a page; MongoDB's drivers send no more documents at once with profit.
    /// </summary>
    public const int PageMax = 1_000;

    /// <summary>
    /// A page ends with the message that reaches this many bytes: far below MongoDB's limit for a wire
    /// message of 48 MB.
    /// </summary>
    public const int PageBytesMax = 4 * 1024 * 1024;

    private readonly string _path;
    private readonly Sqlite _connection;
    private readonly Statement _from;
    private readonly Statement _oldest;
    private readonly Statement _holds;
    private readonly Statement _quarantine;
    private readonly Statement _quarantined;
    private long _listed;

    /// <summary>
    /// Told of rows that cannot be read, and are passed over; unless set they end the reading.
    /// </summary>
    public Action<string> OnDamage { get; set; } = static what => throw new StoreException(what);

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

    /// <summary>Opens the journal at <paramref name="path"/>.</summary>
    /// <exception cref="StoreException">
    /// There is none, or it cannot be read; the text names the file.
    /// </exception>
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

    /// <summary>
    /// The place up to which MongoDB has every message that it will take; 0 when it has none.
    /// </summary>
    /// <exception cref="StoreException">The file cannot be read.</exception>
    public long ReadWatermark() => Scalar("SELECT max(seq) FROM deliveries");

    /// <summary>
    /// The messages that follow <paramref name="sequence"/>, in order: a page of them, none at the end.
    /// </summary>
    /// <exception cref="StoreException">The file cannot be read.</exception>
    public IReadOnlyList<JournalEntry> ReadAfter(long sequence)
    {
        var page = new List<JournalEntry>();
        int bytes = 0;
        long after = sequence;
        // Called by itself it has just run: a value is bound to a statement only after its reset.
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

    // A page of the table that cannot be read hides its rows and no others: looks for the first row behind.
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
        string end = to == long.MaxValue ? "the end" : $"{to}";
        string rows = from == to ? $"row {from}" : $"rows {from} to {end}";
        OnDamage($"the journal {_path} is damaged: {rows} cannot be read");
    }

    /// <summary>
    /// The first message that a purge would take: every later one is in the journal too. Null: there is none.
    /// </summary>
    /// <exception cref="StoreException">The file cannot be read.</exception>
    public JournalEntry? ReadOldest() => One(_oldest, ReadEntry);

    /// <summary>
    /// When the oldest batch that the journal remembers was delivered; null: none was. What was purged was
    /// received before.
    /// </summary>
    /// <exception cref="StoreException">The file cannot be read.</exception>
    public DateTimeOffset? ReadFirstDelivery()
    {
        long at = Scalar("SELECT ifnull((SELECT at FROM deliveries ORDER BY seq LIMIT 1), -1)");
        return at < 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(at);
    }

    /// <summary>Whether a message with this key is in the journal.</summary>
    /// <exception cref="StoreException">The file cannot be read.</exception>
    public bool Holds(MessageKey id)
    {
        _holds.Bind(1, id.ToString());
        return One(_holds, static row => row) is not null;
    }

    /// <summary>Why MongoDB does not take this message; null when it is not in quarantine.</summary>
    /// <exception cref="StoreException">The file cannot be read.</exception>
    public string? QuarantineReason(long sequence)
    {
        _quarantine.Bind(1, sequence);
        return One(_quarantine, static row => row.Text(0));
    }

    /// <summary>What is in quarantine, in order, streamed.</summary>
    /// <exception cref="StoreException">The file cannot be read.</exception>
    public IEnumerable<QuarantinedMessage> ReadQuarantine()
    {
        IReadOnlyList<QuarantinedMessage> page;
        for (long after = 0; (page = ReadQuarantine(after)).Count > 0; after = page[^1].Entry.Sequence)
        {
            foreach (QuarantinedMessage message in page) yield return message;
        }
    }

    /// <summary>How many messages are in quarantine.</summary>
    /// <exception cref="StoreException">The file cannot be read.</exception>
    public long CountQuarantine() => Scalar($"SELECT count(*) FROM quarantine WHERE {Quarantine.IsHeld}");

    /// <summary>How many keys were given up, because MongoDB has other documents under them.</summary>
    /// <exception cref="StoreException">The file cannot be read.</exception>
    public long CountRekeyed() =>
        // A journal that no store process of this version has opened has no such table.
        Scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'rekeyed'") == 0
            ? 0
            : Scalar("SELECT count(*) FROM rekeyed");

    /// <summary>Whether somebody asked for something in quarantine to be sent again.</summary>
    /// <exception cref="StoreException">The file cannot be read.</exception>
    public bool IsReleaseAskedFor() => Scalar(
        $"SELECT EXISTS (SELECT 1 FROM quarantine WHERE at = 0 AND {Quarantine.IsHeld})") != 0;

    /// <summary>
    /// What SQLite finds wrong with the file, a line each, at most 100; nothing when it is sound. Reads all
    /// of it, and keeps the log from starting over meanwhile.
    /// </summary>
    /// <exception cref="StoreException">The file cannot be read.</exception>
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

    /// <inheritdoc/>
    /// <exception cref="StoreException">The file cannot be read.</exception>
    public IEnumerable<StoredMessage> ReadAll()
    {
        _listed = 0;
        return ReadNew();
    }

    /// <inheritdoc/>
    /// <exception cref="StoreException">The file cannot be read.</exception>
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

    /// <inheritdoc/>
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
        _quarantined.Bind(1, after);
        try
        {
            int code;
            while ((code = _quarantined.Step()) == raw.SQLITE_ROW)
            {
                long at = _quarantined.Integer(5);
                DateTimeOffset? since = at == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(at);
                page.Add(new QuarantinedMessage(ReadEntry(_quarantined), _quarantined.Text(6), since));
            }

            CheckStep(code);
            return page;
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

    /// <summary>What <paramref name="read"/> makes of the first row; null when there is none.</summary>
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
