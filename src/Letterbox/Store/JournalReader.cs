// Reads the journal while the writer is at work, in this process or in another. Every read is a page of its
// own: a long transaction would hold on to an old state of the database, and the write-ahead log could not
// start over before it ends.

using SQLitePCL;

namespace Letterbox.Store;

/// <summary>A read-only connection to the journal. Not thread-safe.</summary>
public sealed class JournalReader : IStoredMessages
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
    private readonly Statement _after;
    private long _listed;

    private JournalReader(string path, Sqlite connection)
    {
        (_path, _connection) = (path, connection);
        JournalFile.Check(connection.Prepare($"""
            SELECT seq, id, date, username, message FROM messages WHERE seq > ?1 ORDER BY seq LIMIT {PageMax}
            """, out Statement? after), path);
        _after = after!;
    }

    /// <summary>Opens the journal at <paramref name="path"/>.</summary>
    /// <exception cref="JournalException">
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
    /// <exception cref="JournalException">The file cannot be read.</exception>
    public long ReadWatermark()
    {
        JournalFile.Check(_connection.Scalar("SELECT max(seq) FROM deliveries", out long watermark), _path);
        return watermark;
    }

    /// <summary>
    /// The messages that follow <paramref name="sequence"/>, in order: a page of them, none at the end.
    /// </summary>
    /// <exception cref="JournalException">The file cannot be read.</exception>
    public IReadOnlyList<JournalEntry> ReadAfter(long sequence)
    {
        var page = new List<JournalEntry>();
        int bytes = 0;
        _after.Bind(1, sequence);
        try
        {
            int code = raw.SQLITE_ROW;
            while (bytes < PageBytesMax && (code = _after.Step()) == raw.SQLITE_ROW)
                page.Add(ReadEntry(ref bytes));
            if (code is not (raw.SQLITE_ROW or raw.SQLITE_DONE)) JournalFile.Check(code, _path);
            return page;
        }
        finally
        {
            _after.Reset();
        }
    }

    /// <inheritdoc/>
    /// <exception cref="JournalException">The file cannot be read.</exception>
    public IEnumerable<StoredMessage> ReadAll()
    {
        _listed = 0;
        return ReadNew();
    }

    /// <inheritdoc/>
    /// <exception cref="JournalException">The file cannot be read.</exception>
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
        _after.Dispose();
        _connection.Dispose();
    }

    private JournalEntry ReadEntry(ref int bytes)
    {
        if (!ObjectId.TryParse(_after.Text(1), out ObjectId id))
            throw new JournalException(
                $"the journal {_path} is damaged: row {_after.Integer(0)} has no proper id");
        var message = new StoredMessage(id, _after.Text(2), _after.Text(3), _after.Text(4));
        bytes += _after.Bytes(3) + _after.Bytes(4);
        return new JournalEntry(_after.Integer(0), message);
    }
}
