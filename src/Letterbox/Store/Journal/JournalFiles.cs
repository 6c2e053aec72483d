// Are the journal's files still the ones that are open? A file that was deleted, moved or replaced (`git
// clean`, a cleaner of temporary folders, a restore while the store runs) takes every commit as before, and
// none of it is there at the next start. So the paths are compared with what was opened: after each commit,
// before anybody is thanked for it, and once a second while nothing comes. A path that leads to the open file
// is a link that it still has: the count of links need not be compared too.
//
//    letterbox.db        the messages
//    letterbox.db-wal    the newest of them
//    letterbox.db-shm    the index of the log: another process that makes a new one does not see our commits
//    letterbox.lock      the right to write
//
// When all are back in their places, messages are taken again.

using System.Globalization;
using Letterbox.Messages;

namespace Letterbox.Store.Journal;

/// <summary>The four files of a journal. Used by the writer's thread.</summary>
/// <param name="path">The database.</param>
internal sealed class JournalFiles(string path)
{
    private readonly (string Path, FileIdentity? Opened)[] _files =
    [
        (path, null), (Path.Combine(Path.GetDirectoryName(path)!, JournalLock.Name), null),
        (path + "-wal", null), (path + "-shm", null),
    ];

    private bool _opened;

    /// <summary>
    /// Notes which files they are, right after they were opened. SQLite makes log and index again when it
    /// opens the database again; that and the lock stay the same as long as the process lives.
    /// </summary>
    /// <exception cref="StoreException">Another database or lock file is there now.</exception>
    public void Opened()
    {
        for (int i = 0; i < _files.Length; i++)
        {
            FileIdentity? now = FileIdentity.Of(_files[i].Path);
            if (_opened && i < 2 && now != _files[i].Opened)
                throw new StoreException($"{_files[i].Path} was replaced", Gone(_files[i].Path));
            _files[i].Opened = now;
        }

        _opened = true;
    }

    /// <summary>The database was closed: SQLite deletes log and index then.</summary>
    public void Closed() => _files[2].Opened = _files[3].Opened = null;

    /// <summary>
    /// Why nothing that is written now will be found again, fit for anyone to read; null: it will.
    /// </summary>
    public string? Failure()
    {
        foreach ((string file, FileIdentity? opened) in _files)
            if (opened is not null && FileIdentity.Of(file) != opened) return Gone(file);
        return null;
    }

    /// <summary>What happened to each file, and how to save what it holds, for a log.</summary>
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

    /// <summary>Whether what the database or its log holds ends with this process.</summary>
    public bool IsDeleted()
    {
        foreach ((string file, FileIdentity? opened) in _files)
            if (!file.EndsWith(JournalLock.Name, StringComparison.Ordinal) && opened is not null
                && FileIdentity.Of(file) != opened && Find(opened).Place is null) return true;
        return false;
    }

    // By which descriptor it is open, and where it is now, if it has a name left.
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

    private static string Gone(string file) => $"{Path.GetFileName(file)} was moved or deleted";
}
