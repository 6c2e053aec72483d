// One process owns the journal: it locks (flock) the file `letterbox.lock` beside it, and the folder itself,
// so that deleting the lock file admits no second owner. The kernel releases the locks when the process ends.
// SQLite's locks are not enough, since they last for a transaction only; neither is FileShare.None, which an
// environment variable disables.
//
// systemd-tmpfiles does not clean a locked folder.

using System.Runtime.InteropServices;
using Letterbox.Messages;
using Microsoft.Win32.SafeHandles;

namespace Letterbox.Store.Journal;

// The right to write to the journal of a folder, until disposed.
internal sealed partial class JournalLock : IDisposable
{
    public const string Name = "letterbox.lock";

    private const int Exclusive = 2, NoWait = 4;

    // Attempts while the lock file is deleted again and again.
    private const int AttemptsMax = 10;

    private readonly FileStream _file;
    private readonly SafeFileHandle? _folder;

    private JournalLock(FileStream file, SafeFileHandle? folder) => (_file, _folder) = (file, folder);

    /// <exception cref="StoreException">Another process has the lock, or the folder is not
    /// writable.</exception>
    public static JournalLock Take(string folder)
    {
        string path = Path.Combine(folder, Name);
        SafeFileHandle? locked = null;
        FileStream? file = null;
        try
        {
            locked = DurableFolder.Open(folder);
            // Where folders cannot be locked (NFS) the file alone is used.
            int error = 0;
            if (locked is not null && !TryLock(locked, out error) && IsHeld(error)) throw InUse(folder);
            for (int attempt = 1; file is null; attempt++)
            {
                file = PrivateFile.Open(path);
                if (!OperatingSystem.IsWindows() && !TryLock(file.SafeFileHandle, out error))
                    throw IsHeld(error) ? InUse(folder) : CannotLock(Marshal.GetPInvokeErrorMessage(error));
                if (FileIdentity.Of(path) == FileIdentity.Of(file.SafeFileHandle)) continue;
                // Deleted between opening and locking: that lock excludes no other process.
                if (attempt == AttemptsMax) throw CannotLock("it is deleted again and again");
                file.Dispose();
                file = null;
            }

            return new JournalLock(file, locked);
        }
        catch (Exception e)
        {
            file?.Dispose();
            locked?.Dispose();
            if (e is UnauthorizedAccessException)
            {
                throw StoreException.OfFile(
                    $"cannot write {path}: this user must be allowed to write there", e);
            }

            // A sharing violation on Windows.
            if (e is IOException && (e.HResult & 0xFFFF) == 32) throw InUse(folder);
            if (e is IOException) throw StoreException.OfFile($"cannot lock {path}: {e.Message}", e);
            throw;
        }

        StoreException CannotLock(string reason) => new($"cannot lock {path}: {reason}");
    }

    public void Dispose()
    {
        _file.Dispose();
        _folder?.Dispose();
    }

    private static StoreException InUse(string folder)
    {
        string journal = Path.Combine(folder, JournalFile.Name);
        string reason =
            $"the journal {journal} is in use: another store process holds {Path.Combine(folder, Name)}";
        return new StoreException(reason) { InUse = true };
    }

    private static bool TryLock(SafeFileHandle file, out int error)
    {
        int result = FLock(file, Exclusive | NoWait);
        error = result == 0 ? 0 : Marshal.GetLastPInvokeError();
        return result == 0;
    }

    // EWOULDBLOCK.
    private static bool IsHeld(int error) => error == (OperatingSystem.IsLinux() ? 11 : 35);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int FLock(SafeFileHandle file, int operation);
}
