// The part of SQLite's C interface that the journal needs, through SQLitePCLRaw: a connection and a prepared
// statement. A call that fails throws a StoreException with advice. Text is passed with its length in bytes,
// because a message may contain U+0000.

using System.Runtime.InteropServices;
using System.Text;
using Letterbox.Messages;
using SQLitePCL;

namespace Letterbox.Store.Journal;

// One connection to a database file. Used by one thread at a time.
internal sealed partial class Sqlite : IDisposable
{
    private const int FileTooLarge = 27; // EFBIG

    private readonly string _path;
    private readonly Dictionary<string, Statement> _statements = [];

    static Sqlite() => Batteries_V2.Init();

    private Sqlite(string path, sqlite3 handle) => (_path, Handle) = (path, handle);

    // For tests, which make it fail.
    public sqlite3 Handle { get; }

    public bool InTransaction => raw.sqlite3_get_autocommit(Handle) == 0;

    // Rows that the last statement inserted, changed or deleted.
    public int Changes => raw.sqlite3_changes(Handle);

    // SQLite's extended code of the last call that threw.
    public int LastError { get; private set; }

    // Pages written to the write-ahead log since the last checkpoint of this connection.
    public int PagesWritten => CountPagesWritten(reset: false);

    // The flags are SQLite's; the timeout is for locks of other connections.
    public static Sqlite Open(string path, int flags, TimeSpan timeout, string? uri = null)
    {
        flags |= raw.SQLITE_OPEN_NOMUTEX | (uri is null ? 0 : raw.SQLITE_OPEN_URI);
        int code = raw.sqlite3_open_v2(uri ?? path, out sqlite3 handle, flags, null);
        if (code != raw.SQLITE_OK)
        {
            handle?.Dispose();
            throw Failure(code, path);
        }

        raw.sqlite3_extended_result_codes(handle, 1);
        raw.sqlite3_busy_timeout(handle, (int)timeout.TotalMilliseconds);
        return new Sqlite(path, handle);
    }

    // Runs statements without parameters and rows.
    public void Execute(string sql) => Check(raw.sqlite3_exec(Handle, sql));

    // A statement of this connection, compiled at its first use.
    public Statement Prepare(string sql)
    {
        if (_statements.TryGetValue(sql, out Statement? statement)) return statement;
        const uint ManyTimes = raw.SQLITE_PREPARE_PERSISTENT;
        Check(raw.sqlite3_prepare_v3(Handle, sql, ManyTimes, out sqlite3_stmt compiled));
        return _statements[sql] = new Statement(this, compiled);
    }

    // The first column of the first row as a number; 0 if there is no row or it is null.
    public long Scalar(string sql) => Prepare(sql).Scalar();

    // Copies the write-ahead log into the database file. waiting: waits for readers, at most for the busy
    // timeout, so that the log starts over; otherwise copies as much as they permit. Returns SQLite's code.
    public int Checkpoint(bool waiting)
    {
        CountPagesWritten(reset: true);
        int mode = waiting ? raw.SQLITE_CHECKPOINT_TRUNCATE : raw.SQLITE_CHECKPOINT_PASSIVE;
        return raw.sqlite3_wal_checkpoint_v2(Handle, "main", mode, out _, out _);
    }

    public void Check(int code)
    {
        if (code is raw.SQLITE_OK or raw.SQLITE_ROW or raw.SQLITE_DONE) return;
        // A write beyond `ulimit -f` is to SQLite a failing disk.
        bool isTooLarge = (code & 0xFF) == raw.SQLITE_IOERR
            && SystemError(Handle.DangerousGetHandle()) == FileTooLarge;
        if (isTooLarge) code = raw.SQLITE_FULL;
        LastError = code;
        throw Failure(code, _path);
    }

    // What a result code means for the operator, for senders and for the next attempt.
    public static StoreException Failure(int code, string path)
    {
        (string reason, StoreObstacle obstacle, string advice) = (code & 0xFF) switch
        {
            raw.SQLITE_FULL => ("the disk is full", StoreObstacle.Disk, ""),
            raw.SQLITE_IOERR => ($"the disk failed (SQLite error {code})", StoreObstacle.Disk, ""),
            raw.SQLITE_BUSY or raw.SQLITE_LOCKED =>
                ("another program has locked the journal", StoreObstacle.Disk, ""),
            raw.SQLITE_CONSTRAINT =>
                ($"another program has changed the journal (SQLite error {code})", StoreObstacle.None, ""),
            raw.SQLITE_READONLY => ("the journal is read-only", StoreObstacle.Access, Permissions),
            raw.SQLITE_CANTOPEN => ("the journal cannot be opened", StoreObstacle.Access, Permissions),
            raw.SQLITE_CORRUPT or raw.SQLITE_NOTADB =>
                ($"the journal is damaged (SQLite error {code})", StoreObstacle.None, Recovery),
            raw.SQLITE_PERM => ($"access is denied (SQLite error {code})", StoreObstacle.Access, Permissions),
            _ => ($"{raw.sqlite3_errstr(code).utf8_to_string()} (SQLite error {code})",
                StoreObstacle.None, ""),
        };
        return new StoreException($"cannot use the journal {path}: {reason}{advice}", reason)
        {
            Obstacle = obstacle,
        };
    }

    private const string Recovery =
        ". Nothing was changed. Keep a copy of it and of the files beside it, recover what can be read with "
        + "sqlite3's .dump or .recover (see docs/OPERATIONS.md), or move it away to start with an empty "
        + "journal";

    private const string Permissions =
        ". Its folder must exist, and this user must be allowed to write to it and to its files";

    public void Dispose()
    {
        foreach (Statement statement in _statements.Values) statement.Dispose();
        Handle.Dispose();
    }

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_system_errno")]
    private static partial int SystemError(nint connection);

    private int CountPagesWritten(bool reset)
    {
        raw.sqlite3_db_status(Handle, raw.SQLITE_DBSTATUS_CACHE_WRITE, out int pages, out _, reset ? 1 : 0);
        return pages;
    }
}

// A prepared statement: bind all values in order, step or run, read the columns from 0, reset. If a value
// cannot be bound (longer than SQLite allows) the next step fails.
internal sealed class Statement(Sqlite connection, sqlite3_stmt handle) : IDisposable
{
    private int _values;
    private int _unbound = raw.SQLITE_OK;

    public Statement Bind(string text) => Bind(Encoding.UTF8.GetBytes(text));

    // SQLite copies the text.
    public Statement Bind(ReadOnlySpan<byte> utf8) => Note(raw.sqlite3_bind_text(handle, ++_values, utf8));

    public Statement Bind(long number) => Note(raw.sqlite3_bind_int64(handle, ++_values, number));

    // Returns SQLITE_ROW, SQLITE_DONE or an error.
    public int TryStep() => _unbound == raw.SQLITE_OK ? raw.sqlite3_step(handle) : _unbound;

    // Returns SQLITE_DONE or an error.
    public int TryRun()
    {
        int code = TryStep();
        Reset();
        return code;
    }

    // Runs a statement without rows.
    public void Run() => connection.Check(TryRun());

    // One after the other, in this statement; then it is reset.
    public IEnumerable<Statement> Rows()
    {
        try
        {
            int code;
            while ((code = TryStep()) == raw.SQLITE_ROW) yield return this;
            connection.Check(code);
        }
        finally
        {
            Reset();
        }
    }

    // What is read from the first row; the default if there is none.
    public T? First<T>(Func<Statement, T> read)
    {
        foreach (Statement row in Rows()) return read(row);
        return default;
    }

    public long Scalar() => First(static row => row.Integer(0));

    // Ends the current run and its read transaction.
    public void Reset()
    {
        (_values, _unbound) = (0, raw.SQLITE_OK);
        raw.sqlite3_reset(handle);
    }

    public long Integer(int column) => raw.sqlite3_column_int64(handle, column);

    public int Bytes(int column) => raw.sqlite3_column_bytes(handle, column);

    // Valid until the next step or reset.
    public ReadOnlySpan<byte> Utf8(int column) => raw.sqlite3_column_blob(handle, column);

    public string Text(int column) => Encoding.UTF8.GetString(Utf8(column));

    public void Dispose() => handle.Dispose();

    private Statement Note(int code)
    {
        if (code != raw.SQLITE_OK) _unbound = code;
        return this;
    }
}
