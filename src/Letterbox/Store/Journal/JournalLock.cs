// One process owns the journal: the lock file `letterbox.lock` beside it, locked (flock) for as long as the
// owner lives, and the folder itself, so that a deleted lock file lets no second owner in. The kernel lets go
// of the locks when the process ends, however it ends. SQLite's own locks cannot serve: they are held for a
// transaction only. FileShare.None cannot either: a variable of the environment switches it off.
//
// A folder that is locked is also one that systemd-tmpfiles does not clean.

using System.Runtime.InteropServices;
using Letterbox.Messages;
using Microsoft.Win32.SafeHandles;

namespace Letterbox.Store.Journal;

/// <summary>The right to write to the journal of a folder; given back by <see cref="Dispose"/>.</summary>
internal sealed partial class JournalLock : IDisposable
{
    /// <summary>Name of the file in the data folder.</summary>
    public const string Name = "letterbox.lock";

    private const int Exclusive = 2, NoWait = 4;

    // What a store process that starts while the lock file is deleted again and again may take.
    private const int AttemptsMax = 10;

    private readonly FileStream _file;
    private readonly SafeFileHandle? _folder;

    private JournalLock(FileStream file, SafeFileHandle? folder) => (_file, _folder) = (file, folder);

    /// <summary>Takes the lock of <paramref name="folder"/>, which exists.</summary>
    /// <exception cref="StoreException">
    /// Another process has it, or the folder cannot be written to.
    /// </exception>
    public static JournalLock Take(string folder)
    {
        string path = Path.Combine(folder, Name);
        SafeFileHandle? locked = null;
        FileStream? file = null;
        try
        {
            locked = DurableFolder.Open(folder);
            // Where folders cannot be locked (NFS) the file alone has to do.
            int error = 0;
            if (locked is not null && !TryLock(locked, out error) && IsHeld(error)) throw InUse(folder);
            for (int attempt = 1; file is null; attempt++)
            {
                file = PrivateFile.Open(path);
                if (!OperatingSystem.IsWindows() && !TryLock(file.SafeFileHandle, out error))
                    throw IsHeld(error) ? InUse(folder) : CannotLock(Marshal.GetPInvokeErrorMessage(error));
                if (FileIdentity.Of(path) == FileIdentity.Of(file.SafeFileHandle)) continue;
                // Deleted between the opening and the lock: that locks nobody out.
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

            // Windows: a sharing violation.
            if (e is IOException && (e.HResult & 0xFFFF) == 32) throw InUse(folder);
            if (e is IOException) throw StoreException.OfFile($"cannot lock {path}: {e.Message}", e);
            throw;
        }

        StoreException CannotLock(string reason) => new($"cannot lock {path}: {reason}");
    }

    /// <inheritdoc/>
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
