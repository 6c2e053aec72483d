// Checks that the journal's files are still the open ones. A file that was deleted, moved or replaced (`git
// clean`, a cleaner of temporary folders, a restore while the store runs) accepts every commit as before, but
// nothing of it exists at the next start. So the paths are compared with the open files: after each commit,
// before it is acknowledged, and once a second while idle. A path that leads to the open file is one of its
// links, so the link count need not be compared.
//
//    letterbox.db        the messages
//    letterbox.db-wal    the newest of them
//    letterbox.db-shm    the index of the log: a process that creates a new one does not see our commits
//    letterbox.lock      the right to write
//
// When all files are back in their places, messages are accepted again.

using Letterbox.Messages;

namespace Letterbox.Store.Journal;

// The four files of a journal. Used by the writer's thread.
internal sealed class JournalFiles(string path)
{
    private readonly string[] _paths =
        [path, Path.Combine(Path.GetDirectoryName(path)!, JournalLock.Name), path + "-wal", path + "-shm"];

    // Null: not open, or not there.
    private readonly FileIdentity?[] _opened = new FileIdentity?[4];

    // Records the identities right after opening. When SQLite reopens the database it creates log and index
    // anew; database and lock stay the same for the life of the process.
    public void Opened()
    {
        if (Missing().FirstOrDefault() is { } missing)
            throw new StoreException($"{missing.Path} was replaced", Describe(missing.Path));
        for (int i = 0; i < _paths.Length; i++) _opened[i] = FileIdentity.Of(_paths[i]);
    }

    // The database was closed: SQLite then deletes log and index.
    public void Closed() => _opened[2] = _opened[3] = null;

    // A file that is missing, for anyone to read; null: none.
    public string? FindMissing() =>
        Missing().FirstOrDefault() is { } missing ? Describe(missing.Path) : null;

    // What happened to each file and how to save its content, for a log.
    public string Explain() => string.Join("; ", Missing().Select(static missing =>
    {
        (string file, FileIdentity opened) = missing;
        (string? open, string? place) = Find(opened);
        return place is not null ? $"{file} was moved to {place}: move it back"
            : open is null ? $"{file} was deleted or replaced"
            : $"{file} was deleted, and is still open: cp {open} SAFE/{Path.GetFileName(file)}";
    }));

    // Whether the content of the database or its log is lost when this process ends.
    public bool IsDeleted() => Missing().Any(missing =>
        missing.Path != _paths[1] && Find(missing.Opened).Place is null);

    private IEnumerable<MissingFile> Missing()
    {
        for (int i = 0; i < _paths.Length; i++)
        {
            if (_opened[i] is { } opened && FileIdentity.Of(_paths[i]) != opened)
                yield return new MissingFile(_paths[i], opened);
        }
    }

    // Its open descriptor, and its current path if it still has one.
    private static (string? Open, string? Place) Find(FileIdentity file)
    {
        if (!OperatingSystem.IsLinux()) return default;
        foreach (string descriptor in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            if (FileIdentity.Of(descriptor, out uint links) != file) continue;
            string open = $"/proc/{Environment.ProcessId}/fd/{Path.GetFileName(descriptor)}";
            return (open, links == 0 ? null : new FileInfo(descriptor).LinkTarget);
        }

        return default;
    }

    private static string Describe(string file) => $"{Path.GetFileName(file)} was moved or deleted";

    private sealed record MissingFile(string Path, FileIdentity Opened);
}
