// Which file a path leads to. The file may have been deleted, moved, or replaced by another one of the same
// name while a process still writes to the old one.
//
// statx(2) has the same layout on every processor, and is the only call that takes less than 1 us.

using System.Runtime.InteropServices;

namespace Letterbox.Store.Journal;

// Device and inode. Linux only: elsewhere all files are equal.
internal readonly partial record struct FileIdentity(uint DeviceMajor, uint DeviceMinor, ulong Inode)
{
    private const int AtWorkingFolder = -100;
    private const uint Links = 0x4, InodeNumber = 0x100;

    // Null: there is no file, or it is inaccessible.
    public static FileIdentity? Of(string path) => Of(path, out _);

    // With the number of its links: 0, it was deleted.
    public static FileIdentity? Of(string path, out uint links)
    {
        links = 1;
        if (!OperatingSystem.IsLinux()) return File.Exists(path) ? default(FileIdentity) : null;
        if (StatX(AtWorkingFolder, path, 0, Links | InodeNumber, out Status status) != 0) return null;
        links = status.Links;
        return status.Identity;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, out Status status);

    // struct statx; the rest of its 256 bytes is not needed.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Status
    {
        [FieldOffset(16)]
        public uint Links;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;

        public readonly FileIdentity Identity => new(DeviceMajor, DeviceMinor, Inode);
    }
}
