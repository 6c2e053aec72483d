// The folder of the journal and its files: only this user may read them (0700, 0600), whatever the umask is,
// since they hold people's messages; and a new folder survives a power failure. A new folder is a change to
// its parent, and is durable only when the parent is synced; .NET syncs files, not folders, so this calls the
// C library. SQLite syncs what it creates inside, and gives it the permissions of the database.

using System.Runtime.InteropServices;
using Letterbox.Messages;
using Microsoft.Win32.SafeHandles;

namespace Letterbox.Store.Journal;

// Existing folders and files keep their permissions.
internal static partial class DataFolder
{
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Others = (UnixFileMode)0b111_111;
    private const int CloseOnExec = 0x8_0000, IOError = 5;

    // Creates a folder, and missing ones above it with the usual permissions. On return all of it is on
    // stable storage, including folders that an earlier start created but could not sync.
    public static void Create(string folder)
    {
        string path = Path.GetFullPath(folder);
        string existing = path;
        while (!Directory.Exists(existing)) existing = Path.GetDirectoryName(existing)!;
        int made = path.Length - existing.Length;
        try
        {
            Directory.CreateDirectory(path);
            if (made > 0 && !OperatingSystem.IsWindows())
                File.SetUnixFileMode(path, Owner | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw StoreException.OfFile($"cannot create the folder {folder}: {e.Message}", e);
        }

        for (; Path.GetDirectoryName(path) is { } parent; path = parent)
            Sync(parent, changed: made > 0 && parent.Length >= existing.Length);
    }

    // Opens a file for writing; creates it if there is none.
    public static FileStream OpenFile(string path)
    {
        if (OperatingSystem.IsWindows())
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        bool isNew = !File.Exists(path);
        var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.ReadWrite | FileShare.Delete,
            UnixCreateMode = Owner,
        });
        // The umask may have removed the owner's permissions.
        if (isNew) File.SetUnixFileMode(file.SafeFileHandle, Owner);
        return file;
    }

    // Opens a folder to sync or lock it; null: not possible, as always on Windows.
    public static SafeFileHandle? Open(string folder)
    {
        if (OperatingSystem.IsWindows()) return null;
        int file = OpenReadOnly(folder, OperatingSystem.IsLinux() ? CloseOnExec : 0);
        return file < 0 ? null : new SafeFileHandle(file, ownsHandle: true);
    }

    // The mode, as for chmod, if others may read the folder.
    public static string? ModeForOthers(string folder)
    {
        if (OperatingSystem.IsWindows()) return null;
        UnixFileMode mode = File.GetUnixFileMode(folder);
        return (mode & Others) == UnixFileMode.None ? null : Convert.ToString((int)mode, 8);
    }

    // NTFS journals folders itself. Folders above the new ones may be unreadable for this user, or on a file
    // system without sync (/proc): that is an error only when the disk itself fails.
    public static void Sync(string folder, bool changed = true)
    {
        if (OperatingSystem.IsWindows()) return;
        using SafeFileHandle? file = Open(folder);
        if (file is not null && FSync(file) == 0) return;
        int error = Marshal.GetLastPInvokeError();
        if (!changed && error != IOError) return;
        string text = $"cannot sync the folder {folder}: {Marshal.GetPInvokeErrorMessage(error)}";
        throw StoreException.OfFile(text, new IOException(text, error));
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    private static partial int OpenReadOnly([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(SafeFileHandle file);
}
