// The journal, seen from the rest of the store process: append a message, mark what MongoDB has, purge what
// it has had for long enough. Behind it: GroupCommit.cs (the queue and the writer's thread), JournalWriter.cs
// (the transactions), JournalFile.cs (the file). Reading is JournalReader.cs, on connections of its own.

using Letterbox.Messages;
using Microsoft.Extensions.Logging;

namespace Letterbox.Store.Journal;

/// <summary>
/// The one owner of a journal. <see cref="AppendAsync"/> is a <see cref="Deliver"/>: any thread, many at
/// once.
/// </summary>
internal sealed class MessageJournal : IAsyncDisposable
{
    private readonly TimeProvider _time;
    private readonly JournalLock _lock;
    private readonly JournalWriter _writer;
    private readonly JournalCapacity _capacity;
    private readonly GroupCommit _commits;
    private readonly ILogger _log;
    private volatile string? _missingFile;

    private MessageJournal(
        string path, TimeProvider time, JournalLock owned, JournalWriter writer, JournalCapacity room,
        ILogger log)
    {
        (Path, _time, _lock, _writer, _capacity, _log) = (path, time, owned, writer, room, log);
        Notes = [.. LogCheck.Kept(path).Select(static kept =>
            $"the journal's log was damaged and is kept as {System.IO.Path.GetFileName(kept)}: see the log")];
        _commits = new GroupCommit(
            batch => (_missingFile is null ? null : FindMissingFile())
                ?? room.Shortage(writer.Connection, batch) ?? writer.Append(batch) ?? FindMissingFile(),
            Committed, () => FindMissingFile(), log);
    }

    /// <summary>
    /// Raised after messages were committed and answered, on the writer's thread: a handler must be quick,
    /// and not throw.
    /// </summary>
    public event EventHandler? Grown;

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Place of the newest message; 0 when there has been none.</summary>
    public long LastSequence => _writer.LastSequence;

    /// <summary>Why messages cannot be stored now, fit for anyone to read; null when they can.</summary>
    public string? Failure => _missingFile ?? _commits.Failure;

    /// <summary>
    /// Why no message can be stored until a person has done something: a file of the journal is gone. Found
    /// within a second, whether messages come or not.
    /// </summary>
    public string? Gone => _missingFile;

    /// <summary>What a person should see to, a line each, as it was when the journal was opened.</summary>
    public IReadOnlyList<string> Notes { get; }

    /// <summary>Whether new messages had to wait for room of late: a purge makes some.</summary>
    public bool IsShortOfSpace => _capacity.IsShort;

    /// <summary>The writer; for tests, which make its connection fail.</summary>
    internal JournalWriter Writer => _writer;

    /// <summary>
    /// Opens the journal of <paramref name="folder"/>, makes folder and journal when there are none.
    /// </summary>
    /// <param name="folder">The data folder.</param>
    /// <param name="time">The clock of the messages.</param>
    /// <param name="log">Told when storing fails, and when it works again.</param>
    /// <param name="bounds">How far it may grow; by default there is no bound but the disk.</param>
    /// <param name="mustExist">No folder and no journal is made.</param>
    /// <exception cref="StoreException">
    /// Another process owns it, the folder cannot be written to, or the file is damaged, newer than this
    /// program or not a journal. Nothing was changed; the text says what to do.
    /// </exception>
    public static MessageJournal Open(
        string folder, TimeProvider time, ILogger log, JournalBounds? bounds = null, bool mustExist = false)
    {
        if (mustExist) CheckExists(folder);
        DurableFolder.Create(folder);
        WarnIfOpenToOthers(folder, log);
        string path = System.IO.Path.GetFullPath(System.IO.Path.Combine(folder, JournalFile.Name));
        JournalLock owned = JournalLock.Take(folder);
        try
        {
            var room = new JournalCapacity(path, bounds ?? new JournalBounds(), time);
            return new MessageJournal(path, time, owned, new JournalWriter(path, time, log), room, log);
        }
        catch
        {
            owned.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Stores a message, stamped with the time of this call. Stored: it is on stable storage, now or since an
    /// earlier call with the same id, user name and text. Refused: the id is taken by another message, or
    /// SQLite will not have this one. Later: the queue is full, there is no room, the journal is closing, or
    /// the disk failed; the message may be stored or not.
    /// </summary>
    public ValueTask<Receipt> AppendAsync(Message message) => _commits.AddAsync(message, _time.GetLocalNow());

    /// <summary>The same for a message that was received elsewhere, by the clock there.</summary>
    internal ValueTask<Receipt> ImportAsync(Message message, DateTime received) =>
        _commits.AddAsync(message, new DateTimeOffset(received, TimeSpan.Zero));

    /// <summary>
    /// Notes durably that every message after <paramref name="after"/>, where the watermark was found, up to
    /// <paramref name="upTo"/> is in MongoDB, except those that it will never take: they go to quarantine.
    /// Nothing is noted when the watermark was set back since. Returns null, or why it cannot be noted.
    /// Blocks for a commit: for a thread of one's own.
    /// </summary>
    public string? MarkDelivered(
        long after, long upTo, IReadOnlyList<(long Sequence, string Reason)> rejected) =>
        Work(() => _writer.MarkDelivered(after, upTo, rejected));

    /// <summary>
    /// Gives messages another key, durably: MongoDB has other documents under theirs. Gives back what is to
    /// be sent now. Returns null, or why it cannot be done. Blocks for a commit: for a thread of one's own.
    /// </summary>
    internal string? Rekey(
        IReadOnlyList<JournalEntry> entries, bool fresh, out IReadOnlyList<JournalEntry> rekeyed)
    {
        IReadOnlyList<JournalEntry> found = [];
        string? failure = Work(() => _writer.Rekey(entries, fresh, out found));
        rekeyed = found;
        return failure;
    }

    /// <summary>
    /// Deletes what was delivered <paramref name="keep"/> ago or longer, and more of what was delivered while
    /// there is no room for new messages; never what is in quarantine. In small steps between which new
    /// messages are stored. Returns null, or why it is not all done. Blocks: for a thread of one's own.
    /// </summary>
    /// <param name="keep">How long a delivered message stays.</param>
    /// <param name="stop">Ends the purge between two steps.</param>
    public string? Purge(TimeSpan keep, CancellationToken stop) =>
        Purge(_time.GetUtcNow() - keep, onlyForSpace: false, stop)
        ?? Purge(DateTimeOffset.MaxValue, onlyForSpace: true, stop);

    /// <summary>
    /// Gives what somebody asked to have out of quarantine a place behind the newest message, where the relay
    /// finds it. Returns null, or why it is not all done. Blocks: for a thread of one's own.
    /// </summary>
    public string? ReleaseFromQuarantine()
    {
        string? failure = null;
        bool done = false;
        while (!done && failure is null) failure = Work(() => _writer.Release(out done));
        return failure;
    }

    /// <summary>
    /// Takes no more messages; commits and answers those it has; closes the file and gives up the lock.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        await _commits.DisposeAsync();
        _writer.Dispose();
        _lock.Dispose();
    }

    private static void WarnIfOpenToOthers(string folder, ILogger log)
    {
        if (OperatingSystem.IsWindows()) return;
        UnixFileMode mode = File.GetUnixFileMode(folder);
        if ((mode & PrivateFile.OthersRights) == UnixFileMode.None) return;
        log.LogWarning(
            "other users may look into the folder {Folder} (mode {Mode}): chmod 700, if they should not",
            folder, Convert.ToString((int)mode, 8));
    }

    private static void CheckExists(string folder)
    {
        string path = System.IO.Path.Combine(folder, JournalFile.Name);
        if (File.Exists(path)) return;
        throw new StoreException(
            $"the journal {path} was there, and cannot be found now: is its disk mounted, may this user read "
            + "the folder? Bring it back; or, to begin with an empty one, stop letterbox and start it again",
            "the journal cannot be found")
        {
            Obstacle = StoreObstacle.Access,
        };
    }

    private string? Purge(DateTimeOffset before, bool onlyForSpace, CancellationToken stop)
    {
        string? failure = null;
        bool done = false;
        while (!done && failure is null && !stop.IsCancellationRequested)
        {
            failure = Work(() =>
            {
                done = onlyForSpace && !_capacity.NeedsPurge(_writer.Connection);
                return done ? null : _writer.Purge(before, out done);
            });
        }

        return failure;
    }

    // What was written just now is in files that nobody will find again: it is not thanked for. Marks go on
    // being written there, so that the relay brings MongoDB what is still open.
    private string? FindMissingFile()
    {
        string? gone = _writer.Files.Failure();
        if (gone is null || _missingFile is not null) return _missingFile = gone;
        _missingFile = gone;
        _log.LogCritical(
            "the journal is gone: {What}; no message is taken until it is back. Do not end process {Id} "
            + "before what it holds is safe (docs/OPERATIONS.md, The journal is gone)",
            _writer.Files.Explain(), Environment.ProcessId);
        if (_writer.Files.IsDeleted()) Save();
        return gone;
    }

    private void Save()
    {
        string copy = $"{Path}.saved-{_time.GetUtcNow():yyyyMMdd-HHmmss}";
        string? failure;
        try
        {
            PrivateFile.CreateFolder(System.IO.Path.GetDirectoryName(Path)!);
            failure = _writer.SaveTo(copy);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            failure = e.Message;
        }

        if (failure is null) _log.LogCritical("all that the journal held was saved to {Copy}", copy);
        else _log.LogCritical("what the journal held could not be saved to {Copy}: {Reason}", copy, failure);
    }

    // A purge of many steps must not fill the disk with its log.
    private string? Work(Func<string?> work) => _commits.Run(() =>
    {
        string? failure = work();
        _writer.CheckpointIfDue();
        return failure;
    });

    private void Committed()
    {
        Grown?.Invoke(this, EventArgs.Empty);
        _writer.CheckpointIfDue();
    }
}
