// A disk of its own for a test, small and in memory (tmpfs): to be filled, and to be made read-only.

using System.Globalization;
using System.Runtime.InteropServices;

namespace Letterbox.Tests.Support;

/// <summary>A mounted disk; gone at the end. Linux and root only: elsewhere the test is skipped.</summary>
internal sealed partial class SmallDisk : IDisposable
{
    private const ulong ReadOnlyFlag = 1, Remount = 32;
    private const int Detach = 2;

    private readonly TempFolder _folder = new();

    public SmallDisk(int mebibytes) =>
        Assert.SkipUnless(TryMount(mebibytes, out string error), $"no disk can be mounted here: {error}");

    private SmallDisk()
    {
    }

    /// <summary>A disk, or null where none can be mounted: for a test that can do without.</summary>
    public static SmallDisk? TryMake(int mebibytes)
    {
        var disk = new SmallDisk();
        return disk.TryMount(mebibytes, out _) ? disk : null;
    }

    /// <summary>Where it is mounted.</summary>
    public string Path => _folder.Path;

    private string Ballast => _folder.File("ballast");

    /// <summary>Fills it so that at most so many bytes stay free.</summary>
    public void FillUpTo(long free)
    {
        using FileStream ballast = File.OpenWrite(Ballast);
        long missing = new DriveInfo(Path).AvailableFreeSpace - free;
        try
        {
            ballast.Write(new byte[missing]);
        }
        catch (IOException)
        {
            // Somebody else wrote meanwhile: it is full, as it was meant to be.
        }
    }

    /// <summary>Makes room again.</summary>
    public void Empty() => File.Delete(Ballast);

    /// <summary>Nothing can be written any more, or again. No file may be open for writing.</summary>
    public void SetReadOnly(bool on) =>
        Assert.Equal(0, Mount("tmpfs", Path, "tmpfs", Remount | (on ? ReadOnlyFlag : 0), null));

    public void Dispose()
    {
        Assert.Equal(0, Unmount(Path, Detach));
        _folder.Dispose();
    }

    private bool TryMount(int mebibytes, out string error)
    {
        error = "there is no tmpfs here";
        string size = string.Create(CultureInfo.InvariantCulture, $"size={mebibytes}m,mode=700");
        bool mounted = OperatingSystem.IsLinux() && Mount("tmpfs", _folder.Path, "tmpfs", 0, size) == 0;
        if (mounted) return true;
        if (OperatingSystem.IsLinux()) error = Marshal.GetLastPInvokeErrorMessage();
        _folder.Dispose();
        return false;
    }

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true,
        StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Mount(string source, string target, string type, ulong flags, string? data);

    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true,
        StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Unmount(string target, int flags);
}
