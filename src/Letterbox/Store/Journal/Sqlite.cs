// The little of SQLite's C interface that the journal needs, on SQLitePCLRaw: a connection and a prepared
// statement. Result codes are values here, for a full disk is nothing exceptional to a journal; and text goes
// in and comes out by its length in bytes, because what stops at U+0000 would shorten a message that holds
// one.

using System.Text;
using SQLitePCL;

namespace Letterbox.Store.Journal;

/// <summary>
/// One connection to a database file. Used by one thread at a time. The methods that return <c>int</c> give
/// SQLite's extended result code.
/// </summary>
internal sealed class Sqlite : IDisposable
{
    private readonly sqlite3 _handle;

    static Sqlite() => Batteries_V2.Init();

    private Sqlite(sqlite3 handle) => _handle = handle;

    /// <summary>Whether a transaction is open.</summary>
    public bool InTransaction => raw.sqlite3_get_autocommit(_handle) == 0;

    /// <summary>Rows that the last statement inserted, changed or deleted.</summary>
    public int Changes => raw.sqlite3_changes(_handle);

    /// <summary>
    /// Pages this connection has written to the write-ahead log since it last asked for a checkpoint.
    /// </summary>
    public int PagesWritten => CountPagesWritten(reset: false);

    /// <summary>The connection as SQLitePCLRaw knows it; for tests, which make it fail.</summary>
    public sqlite3 Handle => _handle;

    /// <summary>
    /// Opens a file; <paramref name="flags"/> are SQLite's. <paramref name="connection"/> is null on failure.
    /// </summary>
    public static int Open(string path, int flags, TimeSpan timeout, out Sqlite? connection)
    {
        int code = raw.sqlite3_open_v2(path, out sqlite3 handle, flags | raw.SQLITE_OPEN_NOMUTEX, null);
        connection = null;
        if (code != raw.SQLITE_OK)
        {
            handle?.Dispose();
            return code;
        }

        raw.sqlite3_extended_result_codes(handle, 1);
        raw.sqlite3_busy_timeout(handle, (int)timeout.TotalMilliseconds);
        connection = new Sqlite(handle);
        return code;
    }

    /// <summary>Runs statements that take no values and give no rows.</summary>
    public int Execute(string sql) => raw.sqlite3_exec(_handle, sql);

    /// <summary>
    /// The first column of the first row as a number; 0 when there is no row or it is null.
    /// </summary>
    public int Scalar(string sql, out long value)
    {
        value = 0;
        int code = Prepare(sql, out Statement? statement);
        if (statement is null) return code;
        using (statement)
        {
            code = statement.Step();
            if (code == raw.SQLITE_ROW) value = statement.Integer(0);
        }

        return code is raw.SQLITE_ROW or raw.SQLITE_DONE ? raw.SQLITE_OK : code;
    }

    /// <summary>Compiles one statement, to be run many times; null on failure.</summary>
    public int Prepare(string sql, out Statement? statement)
    {
        const uint ManyTimes = raw.SQLITE_PREPARE_PERSISTENT;
        int code = raw.sqlite3_prepare_v3(_handle, sql, ManyTimes, out sqlite3_stmt compiled);
        statement = code == raw.SQLITE_OK ? new Statement(compiled) : null;
        return code;
    }

    /// <summary>
    /// Copies what the write-ahead log holds into the database file. <paramref name="waiting"/>: wait for
    /// readers, as long as the connection's patience goes, so that the log starts over; otherwise as much as
    /// they let through.
    /// </summary>
    public int Checkpoint(bool waiting)
    {
        CountPagesWritten(reset: true);
        int mode = waiting ? raw.SQLITE_CHECKPOINT_TRUNCATE : raw.SQLITE_CHECKPOINT_PASSIVE;
        return raw.sqlite3_wal_checkpoint_v2(_handle, "main", mode, out _, out _);
    }

    /// <summary>
    /// What a result code means, in words for a log and for the person who waits; one line.
    /// </summary>
    public static string Explain(int code) => (code & 0xFF) switch
    {
        raw.SQLITE_FULL => "the disk is full",
        raw.SQLITE_IOERR => $"the disk failed (SQLite error {code})",
        raw.SQLITE_BUSY or raw.SQLITE_LOCKED => "another program has locked the journal",
        raw.SQLITE_CONSTRAINT => $"another program has changed the journal (SQLite error {code})",
        raw.SQLITE_READONLY => "the journal is read-only",
        raw.SQLITE_CANTOPEN => "the journal cannot be opened",
        raw.SQLITE_CORRUPT or raw.SQLITE_NOTADB => $"the journal is damaged (SQLite error {code})",
        _ => $"{raw.sqlite3_errstr(code).utf8_to_string()} (SQLite error {code})",
    };

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private int CountPagesWritten(bool reset)
    {
        raw.sqlite3_db_status(_handle, raw.SQLITE_DBSTATUS_CACHE_WRITE, out int pages, out _, reset ? 1 : 0);
        return pages;
    }
}

/// <summary>
/// A prepared statement: bind the values from 1, step, read the columns from 0, reset. Used by one thread at
/// a time. A value that cannot be bound (longer than SQLite allows) is told by the step that follows.
/// </summary>
internal sealed class Statement(sqlite3_stmt handle) : IDisposable
{
    private byte[] _utf8 = new byte[4096];
    private int _unbound = raw.SQLITE_OK;

    /// <summary>Binds text, of any content.</summary>
    public void Bind(int index, string text)
    {
        int most = Encoding.UTF8.GetMaxByteCount(text.Length);
        if (_utf8.Length < most) _utf8 = new byte[most];
        Bind(index, _utf8.AsSpan(0, Encoding.UTF8.GetBytes(text, _utf8)));
    }

    /// <summary>Binds text that is UTF-8 already; SQLite takes a copy.</summary>
    public void Bind(int index, ReadOnlySpan<byte> utf8) => Note(raw.sqlite3_bind_text(handle, index, utf8));

    /// <summary>Binds a number.</summary>
    public void Bind(int index, long number) => Note(raw.sqlite3_bind_int64(handle, index, number));

    /// <summary>
    /// Goes on to the next row, or to the end. Returns SQLITE_ROW, SQLITE_DONE or what went wrong.
    /// </summary>
    public int Step() => _unbound == raw.SQLITE_OK ? raw.sqlite3_step(handle) : _unbound;

    /// <summary>
    /// Runs a statement that gives no rows, and makes it ready for the next time. Returns SQLITE_OK or what
    /// went wrong.
    /// </summary>
    public int Run()
    {
        int code = Step();
        Reset();
        return code == raw.SQLITE_DONE ? raw.SQLITE_OK : code;
    }

    /// <summary>Ends the current run; values stay bound. A read transaction ends here.</summary>
    public void Reset()
    {
        _unbound = raw.SQLITE_OK;
        raw.sqlite3_reset(handle);
    }

    /// <summary>A column as a number.</summary>
    public long Integer(int column) => raw.sqlite3_column_int64(handle, column);

    /// <summary>Length of a column in bytes.</summary>
    public int Bytes(int column) => raw.sqlite3_column_bytes(handle, column);

    /// <summary>A column as text, whole; it is there until the next step or reset.</summary>
    public ReadOnlySpan<byte> Utf8(int column) => raw.sqlite3_column_blob(handle, column);

    /// <summary>A column as a string, whole.</summary>
    public string Text(int column) => Encoding.UTF8.GetString(Utf8(column));

    /// <inheritdoc/>
    public void Dispose() => handle.Dispose();

    private void Note(int code)
    {
        if (code != raw.SQLITE_OK) _unbound = code;
    }
}
