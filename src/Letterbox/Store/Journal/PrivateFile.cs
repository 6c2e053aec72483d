// Folders and files that only this user may read (0700, 0600), whatever the umask is: people's messages are
// in them. What SQLite makes beside the database gets the rights of the database.

namespace Letterbox.Store.Journal;

/// <summary>Makes files for this user alone. What exists keeps the rights that it has.</summary>
internal static class PrivateFile
{
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Rights of others than the owner.</summary>
    public const UnixFileMode OthersRights = (UnixFileMode)0b111_111;

    /// <summary>Opens a file to write; makes it when there is none.</summary>
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
        // The umask may have taken the owner's own rights.
        if (isNew) File.SetUnixFileMode(file.SafeFileHandle, Owner);
        return file;
    }

    /// <summary>Makes a folder, and with the usual rights what is missing above it.</summary>
    public static void CreateFolder(string path)
    {
        bool isNew = !Directory.Exists(path);
        Directory.CreateDirectory(path);
        if (isNew && !OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, Owner | UnixFileMode.UserExecute);
    }
}
