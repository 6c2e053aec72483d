// Creates folders that survive a power failure: a new folder is a change to its parent, and is durable only
// when the parent is synced. .NET syncs files, not folders, so this calls the C library. SQLite syncs what it
// creates inside the data folder.

using System.Runtime.InteropServices;
using Letterbox.Messages;
using Microsoft.Win32.SafeHandles;

namespace Letterbox.Store.Journal;

internal static partial class DurableFolder
{
    private const int CloseOnExec = 0x8_0000, IOError = 5;

    /// <summary>
    /// Creates a folder, for this user only, and missing ones above it. On return all of it is on stable
    /// storage, including folders that an earlier start created but could not sync.
    /// </summary>
    /// <exception cref="StoreException">It cannot be created.</exception>
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
            throw StoreException.OfFile($"cannot create the folder {folder}: {e.Message}", e);
        }

        for (; Path.GetDirectoryName(path) is { } parent; path = parent)
            Sync(parent, changed: made > 0 && parent.Length >= existing.Length);
    }

    // Opens a folder to sync or lock it; null: not possible, as always on Windows.
    public static SafeFileHandle? Open(string folder)
    {
        if (OperatingSystem.IsWindows()) return null;
        int file = OpenReadOnly(folder, OperatingSystem.IsLinux() ? CloseOnExec : 0);
        return file < 0 ? null : new SafeFileHandle(file, ownsHandle: true);
    }

    public static void Sync(string folder) => Sync(folder, changed: true);

    // NTFS journals folders itself. Folders above the new ones may be unreadable for this user, or on a file
    // system without sync (/proc): that is an error only when the disk itself fails.
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
