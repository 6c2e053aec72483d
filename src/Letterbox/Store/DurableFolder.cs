// A folder that is still there after the power went: making one is a change to its parent, and is durable
// only when the parent is synced. .NET syncs files, not folders, so that is asked of the C library. What
// SQLite creates inside the data folder it syncs itself.

using System.Runtime.InteropServices;

namespace Letterbox.Store;

/// <summary>Makes folders durably.</summary>
internal static partial class DurableFolder
{
    /// <summary>
    /// Makes <paramref name="folder"/> and what is missing above it; on return it is on stable storage.
    /// </summary>
    /// <exception cref="StoreException">It cannot be made.</exception>
    public static void Create(string folder)
    {
        var missing = new List<string>();
        for (string? path = Path.GetFullPath(folder); path is not null && !Directory.Exists(path);
             path = Path.GetDirectoryName(path))
        {
            missing.Add(path);
        }

        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw StoreException.OfFile($"cannot make the folder {folder}: {e.Message}", e);
        }

        foreach (string path in missing) Sync(Path.GetDirectoryName(path)!);
    }

    private static void Sync(string folder)
    {
        // NTFS journals its own folders, and opens none this way.
        if (OperatingSystem.IsWindows()) return;
        int file = OpenReadOnly(folder, 0);
        bool synced = file >= 0 && FSync(file) == 0;
        string error = Marshal.GetLastPInvokeErrorMessage();
        if (file >= 0) _ = Close(file);
        if (!synced) throw new StoreException($"cannot sync the folder {folder}: {error}");
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    private static partial int OpenReadOnly([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(int file);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
