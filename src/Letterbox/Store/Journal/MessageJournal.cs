// The journal as the rest of the store process uses it: append messages, mark delivered ones, purge those
// that were delivered long enough ago. It uses GroupCommit.cs (the queue and the writer's thread),
// JournalWriter.cs (the transactions) and JournalFile.cs (the file). JournalReader.cs reads, on separate
// connections.

using Letterbox.Messages;
using Microsoft.Extensions.Logging;

namespace Letterbox.Store.Journal;

// The owner of a journal. AppendAsync is thread-safe.
internal sealed class MessageJournal : IAsyncDisposable
{
    private readonly TimeProvider _time;
    private readonly long _opened;
    private readonly JournalLock _lock;
    private readonly JournalCapacity _capacity;
    private readonly GroupCommit _commits;
    private readonly ILogger _log;
    private volatile string? _missingFile;

    private MessageJournal(
        string path, JournalBounds bounds, JournalLock owned, TimeProvider time, ILogger log)
    {
        (Path, _lock, _time, _log) = (path, owned, time, log);
        _capacity = new JournalCapacity(path, bounds, time);
        Writer = new JournalWriter(path, time, log);
        _opened = Writer.LastSequence;
        Notes = [.. LogCheck.Kept(path).Select(static kept =>
            $"the journal's log was damaged and is kept as {System.IO.Path.GetFileName(kept)}: see the log")];
        _commits = new GroupCommit(Commit, Committed, () => CheckFiles(), log);
    }

    // Raised on the writer's thread after a commit: a handler must be quick and not throw.
    public event EventHandler? Grown;

    public string Path { get; }

    // The number of the newest message; 0 for none.
    public long LastSequence => Writer.LastSequence;

    // The messages since this process opened the journal.
    public long Taken => LastSequence - _opened;

    // Why messages cannot be stored now, for anyone to read; null when they can.
    public string? Failure => _missingFile ?? _commits.Failure;

    // The missing file because of which no message is accepted until an operator acts; detected within a
    // second.
    public string? MissingFile => _missingFile;

    // What an operator should know, one line each, when the journal was opened.
    public IReadOnlyList<string> Notes { get; }

    // Whether new messages recently had to wait for space, which a purge frees.
    public bool IsShortOfSpace => _capacity.IsShort;

    // For tests, which make its connection fail.
    internal JournalWriter Writer { get; }

    // Opens the journal of a data folder; creates folder and journal if there are none.
    // bounds: by default only the disk limits it.
    // mustExist: no folder and no journal is created.
    // Throws StoreException: Another process owns it, the folder is not writable, or the file is damaged, of
    // a newer version or not a journal. Nothing was changed; the text advises what to do.
    public static MessageJournal Open(
        string folder, TimeProvider time, ILogger log, JournalBounds? bounds = null, bool mustExist = false)
    {
        if (mustExist) CheckExists(folder);
        DataFolder.Create(folder);
        if (DataFolder.ModeForOthers(folder) is { } mode)
        {
            log.LogWarning(
                "other users can read the folder {Folder} (mode {Mode}): chmod 700, if they should not",
                folder, mode);
        }

        string path = System.IO.Path.GetFullPath(System.IO.Path.Combine(folder, JournalFile.Name));
        JournalLock owned = JournalLock.Take(folder, mayReplace: true);
        try
        {
            return new MessageJournal(path, bounds ?? new JournalBounds(), owned, time, log);
        }
        catch
        {
            owned.Dispose();
            throw;
        }
    }

    // Stores a message with the time of this call. Stored: it is on stable storage, since now or since an
    // earlier call with the same id, user name and text. Rejected: a different message has the id, or SQLite
    // rejects this one. Later: the queue is full, there is no space, the journal is closing, or the disk
    // failed; the message may be stored or not.
    public ValueTask<Receipt> AppendAsync(Message message) => _commits.AddAsync(message, _time.GetLocalNow());

    // For a message that was received elsewhere, at that time by the clock there.
    internal ValueTask<Receipt> ImportAsync(Message message, DateTime received) =>
        _commits.AddAsync(message, new DateTimeOffset(received, TimeSpan.Zero));

    // The methods below run on the writer's thread and block until they are committed, see JournalWriter.cs.

    public Result MarkDelivered(
        long after, long upTo, IReadOnlyList<(long Sequence, string Reason)> rejected) =>
        Work(() => Writer.MarkDelivered(after, upTo, rejected));

    public Result Rekey(IReadOnlyList<JournalEntry> entries, bool fresh, List<JournalEntry> rekeyed) =>
        Work(() => Writer.Rekey(entries, fresh, rekeyed));

    // Deletes messages that were delivered `keep` ago or longer, and more delivered ones while there is no
    // space for new messages; never quarantined ones. In small steps, between which new messages are stored.
    public Result Purge(TimeSpan keep, CancellationToken stop)
    {
        DateTimeOffset before = _time.GetUtcNow() - keep;
        Result purged = InSteps(() => Writer.Purge(before), stop);
        if (!purged.Succeeded) return purged;
        // While space is missing, also what was delivered later.
        return InSteps(() => Writer.Purge(
            _capacity.NeedsPurge(Writer.Connection) ? DateTimeOffset.MaxValue : before), stop);
    }

    // Moves the messages to be released behind the newest one, where the relay finds them.
    public Result ReleaseFromQuarantine() => InSteps(Writer.Release, CancellationToken.None);

    // Accepts no more messages, commits and answers the queued ones, closes the file and releases the lock.
    public async ValueTask DisposeAsync()
    {
        await _commits.DisposeAsync();
        Writer.Dispose();
        _lock.Dispose();
    }

    private static void CheckExists(string folder)
    {
        string path = System.IO.Path.Combine(folder, JournalFile.Name);
        if (File.Exists(path)) return;
        throw new StoreException(
            $"the journal {path} existed and cannot be found now: is its disk mounted, may this user read "
            + "the folder? Put it back; or, to begin with an empty one, stop letterbox and start it again",
            "the journal cannot be found")
        {
            Obstacle = StoreObstacle.Access,
        };
    }

    private Result InSteps(Func<Result> step, CancellationToken stop)
    {
        Result result = Result.Success;
        bool more = true;
        for (; more && !stop.IsCancellationRequested; more = result.Succeeded && Writer.HasMore)
            result = Work(step);
        return result;
    }

    private Result Commit(IReadOnlyList<Pending> batch)
    {
        if (_missingFile is not null && CheckFiles() is { Succeeded: false } missing) return missing;
        if (_capacity.CheckSpace(Writer.Connection, batch) is { Succeeded: false } shortage) return shortage;
        Result stored = Writer.Append(batch);
        return stored.Succeeded ? CheckFiles() : stored;
    }

    // A commit to a missing file is not acknowledged. Delivery marks are still written there, so that the
    // relay can deliver the remaining messages.
    private Result CheckFiles()
    {
        string? missing = Writer.Files.FindMissing();
        bool isNew = missing is not null && _missingFile is null;
        _missingFile = missing;
        if (isNew)
        {
            _log.LogCritical(
                "the journal is missing: {What}; no message is accepted until it is back. Do not end process "
                + "{Id} before its content is saved (docs/OPERATIONS.md, The journal is missing)",
                Writer.Files.Explain(), Environment.ProcessId);
            if (Writer.Files.IsDeleted()) Save();
        }

        return missing is null ? Result.Success : Result.Failed(missing);
    }

    private void Save()
    {
        string copy = $"{Path}.saved-{_time.GetUtcNow():yyyyMMdd-HHmmss}";
        Result saved = Writer.SaveTo(copy);
        if (saved.Succeeded) _log.LogCritical("the journal was saved to {Copy}", copy);
        else _log.LogCritical("the journal could not be saved to {Copy}: {Reason}", copy, saved.Failure);
    }

    // A purge of many steps must not fill the disk with its log.
    private Result Work(Func<Result> work) => _commits.Run(() =>
    {
        Result result = work();
        Writer.CheckpointIfDue();
        return result;
    });

    private void Committed()
    {
        Grown?.Invoke(this, EventArgs.Empty);
        Writer.CheckpointIfDue();
    }
}
