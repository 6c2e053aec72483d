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

using System.Globalization;
using Letterbox.Messages;

namespace Letterbox.Store.Journal;

// The four files of a journal. Used by the writer's thread.
internal sealed class JournalFiles(string path)
{
    private readonly (string Path, FileIdentity? Opened)[] _files =
    [
        (path, null), (Path.Combine(Path.GetDirectoryName(path)!, JournalLock.Name), null),
        (path + "-wal", null), (path + "-shm", null),
    ];

    private bool _opened;

    /// <summary>
    /// Records the identities right after opening. When SQLite reopens the database it creates log and index
    /// anew; database and lock stay the same for the life of the process.
    /// </summary>
    /// <exception cref="StoreException">The database or the lock file was replaced.</exception>
    public void Opened()
    {
        for (int i = 0; i < _files.Length; i++)
        {
            FileIdentity? now = FileIdentity.Of(_files[i].Path);
            if (_opened && i < 2 && now != _files[i].Opened)
                throw new StoreException($"{_files[i].Path} was replaced", Missing(_files[i].Path));
            _files[i].Opened = now;
        }

        _opened = true;
    }

    // The database was closed: SQLite then deletes log and index.
    public void Closed() => _files[2].Opened = _files[3].Opened = null;

    // A file that is missing, for anyone to read; null: none.
    public string? FindMissing()
    {
        foreach ((string file, FileIdentity? opened) in _files)
            if (opened is not null && FileIdentity.Of(file) != opened) return Missing(file);
        return null;
    }

    // What happened to each file and how to save its content, for a log.
    public string Explain()
    {
        var lines = new List<string>();
        foreach ((string file, FileIdentity? opened) in _files)
        {
            if (opened is null || FileIdentity.Of(file) == opened) continue;
            (string? open, string? place) = Find(opened);
            lines.Add(place is not null ? $"{file} was moved to {place}: move it back"
                : open is null ? $"{file} was deleted or replaced"
                : $"{file} was deleted, and is still open: cp {open} SAFE/{Path.GetFileName(file)}");
        }

        return string.Join("; ", lines);
    }

    // Whether the content of the database or its log is lost when this process ends.
    public bool IsDeleted()
    {
        foreach ((string file, FileIdentity? opened) in _files)
            if (!file.EndsWith(JournalLock.Name, StringComparison.Ordinal) && opened is not null
                && FileIdentity.Of(file) != opened && Find(opened).Place is null) return true;
        return false;
    }

    // Its open descriptor, and its current path if it still has one.
    private static (string? Open, string? Place) Find(FileIdentity? file)
    {
        if (!OperatingSystem.IsLinux()) return default;
        foreach (string descriptor in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            if (FileIdentity.Of(descriptor, out uint links) != file) continue;
            string number = Path.GetFileName(descriptor);
            string open = string.Create(
                CultureInfo.InvariantCulture, $"/proc/{Environment.ProcessId}/fd/{number}");
            return (open, links == 0 ? null : new FileInfo(descriptor).LinkTarget);
        }

        return default;
    }

    private static string Missing(string file) => $"{Path.GetFileName(file)} was moved or deleted";
}
