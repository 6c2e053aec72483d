// What a path leads to, links followed: whether it is a regular file, and what changes when the file does.
// Size and time of modification alone miss a file that was replaced by one of the same size and time, as
// `cp -p` and package managers can do; inode and change time do not.

using System.Runtime.InteropServices;

namespace Letterbox.Site;

/// <param name="IsRegular">Not a device, a FIFO or a socket: reading one of these may never end.</param>
/// <param name="Modified">In seconds since 1970.</param>
internal readonly partial record struct FileStatus(
    bool IsRegular, long Size, long Modified, long Changed, uint ChangedNanoseconds, ulong Inode,
    ulong Device)
{
    private const int AtWorkingFolder = -100;
    private const uint BasicStats = 0x7FF;
    private const int TypeMask = 0xF000, Regular = 0x8000, Folder = 0x4000;

    // Null: nothing, as behind a dangling link; or a folder.
    public static FileStatus? Of(string path)
    {
        if (!OperatingSystem.IsLinux()) return Elsewhere(path);
        if (StatX(AtWorkingFolder, path, 0, BasicStats, out Status s) != 0) return null;
        int type = s.Mode & TypeMask;
        if (type == Folder) return null;
        return new FileStatus(
            type == Regular, s.Size, s.Modified, s.Changed, s.ChangedNanoseconds, s.Inode, s.Device);
    }

    private static FileStatus? Elsewhere(string path)
    {
        var file = new FileInfo(path);
        if (file.LinkTarget is not null) file = file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo;
        if (file is not { Exists: true }) return null;
        var modified = new DateTimeOffset(file.LastWriteTimeUtc);
        return new FileStatus(true, file.Length, modified.ToUnixTimeSeconds(), 0, 0, 0, 0);
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, out Status status);

    // struct statx, statx(2): the same on every processor.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Status
    {
        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(40)]
        public long Size;

        [FieldOffset(96)]
        public long Changed;

        [FieldOffset(104)]
        public uint ChangedNanoseconds;

        [FieldOffset(112)]
        public long Modified;

        // Major and minor number.
        [FieldOffset(136)]
        public ulong Device;
    }
}
