// A disk that fails on demand, between SQLite and the real one: for every file that SQLite opens in one
// folder.
//
//    sqlite3_vfs, 8-byte words     0 version, size of a file | 1 longest path | 2 next | 3 name | 4 data
//                                  5 xOpen | 6 to 20 the other functions
//    sqlite3_file                  0 its methods | ...
//    its methods                   0 version | 1 xClose | 2 xRead | 3 xWrite | 4 xTruncate | 5 xSync | ... 18
//
// A copy of SQLite's own file system takes its place for this process. Files elsewhere are opened as they
// would be; a file in the folder gets a copy of its methods, in which three ask the test first.

using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using SQLitePCL;

namespace Letterbox.Tests.Support;

/// <summary>
/// The disk under one folder. Its syncs do not sync: nobody pulls the plug on it, and tests are quick.
/// </summary>
internal sealed unsafe partial class FailingDisk : IDisposable
{
    private const int VfsWords = 21, MethodWords = 19;

    private static readonly ConcurrentDictionary<string, FailingDisk> s_disks = new();
    private static readonly ConcurrentDictionary<nint, (FailingDisk Disk, nint Methods)> s_files = new();
    private static readonly ConcurrentDictionary<nint, nint> s_failing = new();
    private static readonly nint* s_real = Install();

    private readonly string _folder;

    public FailingDisk(string folder)
    {
        Assert.True(s_real is not null);
        _folder = folder;
        s_disks[folder] = this;
    }

    /// <summary>
    /// Asked before each <c>write</c> and <c>sync</c>, on any thread: SQLITE_OK, or the result code to fail
    /// with.
    /// </summary>
    public Func<string, int> Failure { get; set; } = static _ => raw.SQLITE_OK;

    public void Dispose() => s_disks.TryRemove(_folder, out _);

    private static nint* Install()
    {
        Batteries_V2.Init();
        nint* real = FindVfs(null);
        nint* failing = Copy(real, VfsWords);
        failing[3] = Marshal.StringToCoTaskMemUTF8("letterbox-failing");
        failing[5] = (nint)(delegate* unmanaged[Cdecl]<nint*, byte*, nint*, int, int*, int>)&Open;
        Assert.Equal(raw.SQLITE_OK, RegisterVfs(failing, makeDefault: 1));
        return real;
    }

    private static nint* Copy(nint* words, int count)
    {
        nint* copy = (nint*)NativeMemory.Alloc((nuint)count, (nuint)sizeof(nint));
        new ReadOnlySpan<nint>(words, count).CopyTo(new Span<nint>(copy, count));
        return copy;
    }

    private static nint Failing(nint methods)
    {
        nint* failing = Copy((nint*)methods, MethodWords);
        failing[1] = (nint)(delegate* unmanaged[Cdecl]<nint*, int>)&Close;
        failing[3] = (nint)(delegate* unmanaged[Cdecl]<nint*, byte*, int, long, int>)&Write;
        failing[5] = (nint)(delegate* unmanaged[Cdecl]<nint*, int, int>)&Sync;
        return (nint)failing;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Open(nint* vfs, byte* name, nint* file, int flags, int* outFlags)
    {
        var open = (delegate* unmanaged[Cdecl]<nint*, byte*, nint*, int, int*, int>)s_real[5];
        int code = open(s_real, name, file, flags, outFlags);
        string folder = Path.GetDirectoryName(Marshal.PtrToStringUTF8((nint)name)) ?? "";
        if (code != raw.SQLITE_OK || !s_disks.TryGetValue(folder, out FailingDisk? disk)) return code;
        s_files[(nint)file] = (disk, file[0]);
        file[0] = s_failing.GetOrAdd(file[0], Failing);
        return code;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Close(nint* file)
    {
        s_files.TryRemove((nint)file, out (FailingDisk Disk, nint Methods) real);
        file[0] = real.Methods;
        return ((delegate* unmanaged[Cdecl]<nint*, int>)((nint*)real.Methods)[1])(file);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Write(nint* file, byte* bytes, int count, long offset)
    {
        (FailingDisk disk, nint methods) = s_files[(nint)file];
        int code = disk.Failure("write");
        if (code != raw.SQLITE_OK) return code;
        return ((delegate* unmanaged[Cdecl]<nint*, byte*, int, long, int>)((nint*)methods)[3])(
            file, bytes, count, offset);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Sync(nint* file, int flags) => s_files[(nint)file].Disk.Failure("sync");

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_vfs_find")]
    private static partial nint* FindVfs(byte* name);

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_vfs_register")]
    private static partial int RegisterVfs(nint* vfs, int makeDefault);
}
