// The part of SQLite's C interface that the journal needs, through SQLitePCLRaw: a connection and a prepared
// statement. Result codes are values, since a full disk is an expected event for a journal; and text is
// passed with its length in bytes, because a message may contain U+0000.

using System.Text;
using SQLitePCL;

namespace Letterbox.Store.Journal;

// One connection to a database file. Used by one thread at a time. Methods that return int return SQLite's
// extended result code.
internal sealed class Sqlite : IDisposable
{
    private readonly sqlite3 _handle;

    static Sqlite() => Batteries_V2.Init();

    private Sqlite(sqlite3 handle) => _handle = handle;

    public bool InTransaction => raw.sqlite3_get_autocommit(_handle) == 0;

    // Rows that the last statement inserted, changed or deleted.
    public int Changes => raw.sqlite3_changes(_handle);

    // Pages written to the write-ahead log since the last checkpoint of this connection.
    public int PagesWritten => CountPagesWritten(reset: false);

    // For tests, which make it fail.
    public sqlite3 Handle => _handle;

    // The flags are SQLite's. The connection is null on failure.
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

    // Runs statements without parameters and rows.
    public int Execute(string sql) => raw.sqlite3_exec(_handle, sql);

    // The first column of the first row as a number; 0 if there is no row or it is null.
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

    // Compiles one statement, to be run many times; null on failure.
    public int Prepare(string sql, out Statement? statement)
    {
        const uint ManyTimes = raw.SQLITE_PREPARE_PERSISTENT;
        int code = raw.sqlite3_prepare_v3(_handle, sql, ManyTimes, out sqlite3_stmt compiled);
        statement = code == raw.SQLITE_OK ? new Statement(compiled) : null;
        return code;
    }

    // Copies the write-ahead log into the database file. waiting: waits for readers, at most for the busy
    // timeout, so that the log starts over; otherwise copies as much as they permit.
    public int Checkpoint(bool waiting)
    {
        CountPagesWritten(reset: true);
        int mode = waiting ? raw.SQLITE_CHECKPOINT_TRUNCATE : raw.SQLITE_CHECKPOINT_PASSIVE;
        return raw.sqlite3_wal_checkpoint_v2(_handle, "main", mode, out _, out _);
    }

    // A result code in words, for a log and for senders.
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

    public void Dispose() => _handle.Dispose();

    private int CountPagesWritten(bool reset)
    {
        raw.sqlite3_db_status(_handle, raw.SQLITE_DBSTATUS_CACHE_WRITE, out int pages, out _, reset ? 1 : 0);
        return pages;
    }
}

// A prepared statement: bind the values from 1, step, read the columns from 0, reset. Used by one thread at a
// time. If a value cannot be bound (longer than SQLite allows) the next step returns the error.
internal sealed class Statement(sqlite3_stmt handle) : IDisposable
{
    private byte[] _utf8 = new byte[4096];
    private int _unbound = raw.SQLITE_OK;

    public void Bind(int index, string text)
    {
        int most = Encoding.UTF8.GetMaxByteCount(text.Length);
        if (_utf8.Length < most) _utf8 = new byte[most];
        Bind(index, _utf8.AsSpan(0, Encoding.UTF8.GetBytes(text, _utf8)));
    }

    // SQLite copies the text.
    public void Bind(int index, ReadOnlySpan<byte> utf8) => Note(raw.sqlite3_bind_text(handle, index, utf8));

    public void Bind(int index, long number) => Note(raw.sqlite3_bind_int64(handle, index, number));

    // Returns SQLITE_ROW, SQLITE_DONE or an error.
    public int Step() => _unbound == raw.SQLITE_OK ? raw.sqlite3_step(handle) : _unbound;

    // Runs a statement without rows and resets it. Returns SQLITE_OK or an error.
    public int Run()
    {
        int code = Step();
        Reset();
        return code == raw.SQLITE_DONE ? raw.SQLITE_OK : code;
    }

    // Ends the current run and its read transaction; values stay bound.
    public void Reset()
    {
        _unbound = raw.SQLITE_OK;
        raw.sqlite3_reset(handle);
    }

    public long Integer(int column) => raw.sqlite3_column_int64(handle, column);

    public int Bytes(int column) => raw.sqlite3_column_bytes(handle, column);

    // Valid until the next step or reset.
    public ReadOnlySpan<byte> Utf8(int column) => raw.sqlite3_column_blob(handle, column);

    public string Text(int column) => Encoding.UTF8.GetString(Utf8(column));

    public void Dispose() => handle.Dispose();

    private void Note(int code)
    {
        if (code != raw.SQLITE_OK) _unbound = code;
    }
}
