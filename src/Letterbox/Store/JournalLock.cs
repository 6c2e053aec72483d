// One process owns the journal: the lock file `letterbox.lock` beside it, locked (flock) for as long as the
// owner lives. The kernel lets go of the lock when the process ends, however it ends. The file itself stays:
// deleting it would let two processes hold locks on two files of one name. SQLite's own locks cannot serve:
// they are held for a transaction only.

namespace Letterbox.Store;

/// <summary>The right to write to the journal of a folder; given back by <see cref="Dispose"/>.</summary>
internal sealed class JournalLock : IDisposable
{
    private readonly FileStream _file;

    private JournalLock(FileStream file) => _file = file;

    /// <summary>Takes the lock of <paramref name="folder"/>, which exists.</summary>
    /// <exception cref="StoreException">
    /// Another process has it, or the folder cannot be written to.
    /// </exception>
    public static JournalLock Take(string folder)
    {
        string path = Path.Combine(folder, "letterbox.lock");
        try
        {
            return new JournalLock(
                new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (UnauthorizedAccessException e)
        {
            throw StoreException.OfFile($"cannot write {path}: this user must be allowed to write there", e);
        }
        catch (IOException) when (IsHeld(path))
        {
            string journal = Path.Combine(folder, JournalFile.Name);
            string reason = $"the journal {journal} is in use: another store process holds {path}";
            throw new StoreException(reason) { InUse = true };
        }
        catch (IOException e)
        {
            throw StoreException.OfFile($"cannot lock {path}: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    // .NET tells a lock from a full or read-only disk only by its words. A file that can be read by those who
    // ask for no lock at all, but not by those who do, is locked.
    private static bool IsHeld(string path)
    {
        try
        {
            using var shared = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            return false;
        }
        catch (IOException)
        {
            return File.Exists(path);
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }
}
