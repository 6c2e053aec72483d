// A folder that is still there after the power went: making one is a change to its parent, and is durable
// only when the parent is synced. .NET syncs files, not folders, so that is asked of the C library. What
// SQLite creates inside the data folder it syncs itself.

using System.Runtime.InteropServices;
using Letterbox.Messages;
using Microsoft.Win32.SafeHandles;

namespace Letterbox.Store.Journal;

/// <summary>Makes folders durably.</summary>
internal static partial class DurableFolder
{
    private const int CloseOnExec = 0x8_0000, IOError = 5;

    /// <summary>
    /// Makes <paramref name="folder"/>, for this user alone, and what is missing above it; on return all of
    /// it is on stable storage: also what an earlier start made, and could not sync any more.
    /// </summary>
    /// <exception cref="StoreException">It cannot be made.</exception>
    public static void Create(string folder)
    {
        string path = Path.GetFullPath(folder);
        string existing = path;
        while (!Directory.Exists(existing)) existing = Path.GetDirectoryName(existing)!;
        int made = path.Length - existing.Length;
        try
        {
            PrivateFile.CreateFolder(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw StoreException.OfFile($"cannot make the folder {folder}: {e.Message}", e);
        }

        for (; Path.GetDirectoryName(path) is { } parent; path = parent)
            Sync(parent, changed: made > 0 && parent.Length >= existing.Length);
    }

    /// <summary>Opens a folder, to be synced or locked; null: it cannot be, on Windows never.</summary>
    public static SafeFileHandle? Open(string folder)
    {
        if (OperatingSystem.IsWindows()) return null;
        int file = OpenReadOnly(folder, OperatingSystem.IsLinux() ? CloseOnExec : 0);
        return file < 0 ? null : new SafeFileHandle(file, ownsHandle: true);
    }

    /// <summary>Syncs the names in a folder.</summary>
    public static void Sync(string folder) => Sync(folder, changed: true);

    // NTFS journals its own folders. Above those that were made now there are some that this user may not
    // read, or that know no sync (/proc): that is a fault only when the disk itself fails.
    private static void Sync(string folder, bool changed)
    {
        if (OperatingSystem.IsWindows()) return;
        using SafeFileHandle? file = Open(folder);
        if (file is not null && FSync(file) == 0) return;
        int error = Marshal.GetLastPInvokeError();
        if (changed || error == IOError)
        {
            string text = $"cannot sync the folder {folder}: {Marshal.GetPInvokeErrorMessage(error)}";
            throw StoreException.OfFile(text, new IOException(text, error));
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    private static partial int OpenReadOnly([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(SafeFileHandle file);
}
