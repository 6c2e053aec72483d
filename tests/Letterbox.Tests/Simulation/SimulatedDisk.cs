// What the simulated store commits to. Two disks: a model in memory, fast enough for thousands of seeds, and
// the real JournalWriter over SQLite in a folder. A test holds the model to the real one: the same seed must
// give the same history and the same rows on both.

using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;
using SQLitePCL;

namespace Letterbox.Tests.Simulation;

/// <summary>What becomes of one commit.</summary>
internal enum CommitFate
{
    /// <summary>It is stored, and said so.</summary>
    Stored,

    /// <summary>The disk fails, and nothing of it is stored.</summary>
    Failed,

    /// <summary>The disk fails at the last, and all of it is stored all the same.</summary>
    FailedAndStored,

    /// <summary>It is stored in files that were moved away by then; they come back.</summary>
    Gone,

    /// <summary>The process is killed before.</summary>
    KilledBefore,

    /// <summary>The process is killed behind it, before anybody was answered.</summary>
    KilledAfter,
}

/// <summary>A disk that outlives the store process.</summary>
internal interface ISimulatedDisk : IDisposable
{
    /// <summary>Every row, in order of arrival.</summary>
    IReadOnlyList<(string Id, string Text)> Rows { get; }

    /// <summary>
    /// Commits a batch, as <see cref="CommitBatch"/> does. Stored, failed or stored in missing files.
    /// </summary>
    Result Commit(IReadOnlyList<Pending> batch, bool fails, bool gone = false);

    /// <summary>The store process was killed; the next one opens what it left.</summary>
    void Kill();
}

/// <summary>The model: rows in memory, one to a key.</summary>
internal sealed class ModelDisk : ISimulatedDisk
{
    private readonly List<(string Id, string Text)> _rows = [];
    private readonly Dictionary<MessageKey, Message> _taken = [];

    public IReadOnlyList<(string Id, string Text)> Rows => _rows;

    public Result Commit(IReadOnlyList<Pending> batch, bool fails, bool gone = false)
    {
        if (fails) return Result.Failed("the disk failed");
        foreach (Pending pending in batch)
        {
            Message message = pending.Message;
            bool fresh = _taken.TryAdd(message.Id, message);
            if (fresh) _rows.Add((message.Id.ToString(), message.Text));
            pending.Receipt = fresh || _taken[message.Id].Text == message.Text
                ? Receipt.Stored(message.Id)
                : Receipt.Taken(message.Id);
        }

        return gone ? Result.Failed("the files are missing") : Result.Success;
    }

    public void Kill()
    {
        // What is committed stays.
    }

    public void Dispose()
    {
        // Nothing but memory.
    }
}

/// <summary>The real thing: the journal's writer over SQLite.</summary>
internal sealed class SqliteDisk : ISimulatedDisk
{
    private readonly TempFolder _folder = new();
    private readonly ManualTime _time = new();
    private JournalWriter _writer;
    private string _path;
    private int _life;

    public SqliteDisk()
    {
        _path = _folder.File(JournalFile.Name);
        _writer = new JournalWriter(_path, _time, new RecordingLog());
    }

    public IReadOnlyList<(string Id, string Text)> Rows
    {
        get
        {
            string folder = Path.GetDirectoryName(_path)!;
            return [.. JournalRows.Ids(folder).Zip(JournalRows.Texts(folder))];
        }
    }

    public Result Commit(IReadOnlyList<Pending> batch, bool fails, bool gone = false)
    {
        // A hook that says no makes SQLite roll back. A failure closes the connection, the hook with it.
        // When there is none yet, the disk that fails again lets none be opened.
        if (fails && _writer.Connection is null) return Result.Failed("the disk failed");
        if (fails) raw.sqlite3_commit_hook(_writer.Connection!.Handle, static _ => 1, null);
        Result result = _writer.Append(batch);
        if (!fails) return result;
        // A batch of nothing but what is there already or rejected writes nothing, and SQLite asks no hook.
        if (result.Succeeded) raw.sqlite3_commit_hook(_writer.Connection!.Handle, null, null);
        // The model's words: the network cuts lines by their lengths.
        return Result.Failed("the disk failed");
    }

    // What a killed process leaves is what its files hold at that moment; to close them properly would mend
    // them.
    public void Kill()
    {
        string next = _folder.File($"life {++_life}");
        Directory.CreateDirectory(next);
        string path = Path.Combine(next, JournalFile.Name);
        foreach (string kind in new[] { "", "-wal" })
            if (File.Exists(_path + kind)) File.Copy(_path + kind, path + kind);
        _writer.Dispose();
        _path = path;
        _writer = new JournalWriter(path, _time, new RecordingLog());
    }

    public void Dispose()
    {
        _writer.Dispose();
        _folder.Dispose();
    }
}
