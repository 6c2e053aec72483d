// Folders and files that only this user may read (0700, 0600), whatever the umask is, since they hold
// people's messages. Files that SQLite creates beside the database get its permissions.

namespace Letterbox.Store.Journal;

// Existing files keep their permissions.
internal static class PrivateFile
{
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public const UnixFileMode OthersMode = (UnixFileMode)0b111_111;

    // Opens a file for writing; creates it if there is none.
    public static FileStream Open(string path)
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

    // Missing folders above it get the usual permissions.
    public static void CreateFolder(string path)
    {
        bool isNew = !Directory.Exists(path);
        Directory.CreateDirectory(path);
        if (isNew && !OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, Owner | UnixFileMode.UserExecute);
    }
}
