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

    private const int Exclusive = 2, NoWait = 4, Unlock = 8;

    private readonly SafeFileHandle? _folder;
    private FileStream? _file;

    private JournalLock(string folder) => _folder = DataFolder.Open(folder);

    // mayReplace: replaces a lock file that another user left.
    public static JournalLock Take(string folder, bool mayReplace = false)
    {
        string path = Path.Combine(folder, Name);
        var taken = new JournalLock(folder);
        try
        {
            // Where folders cannot be locked (NFS) the file alone is used.
            int? notLocked = taken._folder is null ? -1 : Lock(taken._folder);
            if (notLocked is { } reason && IsHeld(reason)) throw InUse(folder);
            taken._file = OpenFile(path, replace: mayReplace && notLocked is null);
            if (OperatingSystem.IsWindows()) return taken;
            if (Lock(taken._file.SafeFileHandle) is not { } error) return taken;
            throw IsHeld(error)
                ? InUse(folder)
                : new StoreException($"cannot lock {path}: {Marshal.GetPInvokeErrorMessage(error)}");
        }
        catch (Exception e)
        {
            taken.Dispose();
            throw e switch
            {
                UnauthorizedAccessException => StoreException.OfFile(
                    $"cannot write {path}: this user must be allowed to write there", e),
                // A sharing violation on Windows.
                IOException when (e.HResult & 0xFFFF) == 32 => InUse(folder),
                IOException => StoreException.OfFile($"cannot lock {path}: {e.Message}", e),
                _ => e,
            };
        }
    }

    public void Dispose()
    {
        // Not only closed: a process that is being started has copies of all descriptors, and with them of
        // the locks, until it executes its program.
        Release(_file?.SafeFileHandle);
        Release(_folder);
        _file?.Dispose();
        _folder?.Dispose();
    }

    private static void Release(SafeFileHandle? file)
    {
        if (file is not null && !OperatingSystem.IsWindows()) _ = FLock(file, Unlock);
    }

    // While the folder is locked no other process uses the file.
    private static FileStream OpenFile(string path, bool replace)
    {
        try
        {
            return DataFolder.OpenFile(path);
        }
        catch (UnauthorizedAccessException) when (replace && File.Exists(path))
        {
            File.Delete(path);
            return DataFolder.OpenFile(path);
        }
    }

    private static StoreException InUse(string folder) => new(
        $"the journal {Path.Combine(folder, JournalFile.Name)} is in use: another store process holds "
        + Path.Combine(folder, Name))
    {
        InUse = true,
    };

    // The error number, if it fails.
    private static int? Lock(SafeFileHandle file) =>
        FLock(file, Exclusive | NoWait) == 0 ? null : Marshal.GetLastPInvokeError();

    // EWOULDBLOCK.
    private static bool IsHeld(int error) => error == (OperatingSystem.IsLinux() ? 11 : 35);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int FLock(SafeFileHandle file, int operation);
}
