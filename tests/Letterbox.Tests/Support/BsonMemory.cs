// Counts the blocks of memory that libbson and libmongoc hold, exactly: all that they allocate goes through a
// table of functions that libbson lets one replace. What malloc itself says is blurred by the runtime's own.
//
//    bson_mem_vtable_t   malloc | calloc | realloc | free | 4 × null

using System.Runtime.InteropServices;

namespace Letterbox.Tests.Support;

/// <summary>Counts from its making to its disposal; one at a time in a process.</summary>
internal sealed unsafe class BsonMemory : IDisposable
{
    private static readonly string[] s_names = ["libbson-1.0.so.0", "libbson2.so.2"];
    private static long s_blocks;

    private readonly delegate* unmanaged<void> _restore;

    /// <summary>Begins to count, from 0.</summary>
    /// <exception cref="DllNotFoundException">It has neither of the names that Linux knows.</exception>
    public BsonMemory()
    {
        nint library = 0;
        if (!s_names.Any(name => NativeLibrary.TryLoad(name, out library)))
            throw new DllNotFoundException(string.Join(" or ", s_names));
        nint set = NativeLibrary.GetExport(library, "bson_mem_set_vtable");
        _restore = (delegate* unmanaged<void>)NativeLibrary.GetExport(library, "bson_mem_restore_vtable");
        s_blocks = 0;
        nint* table = stackalloc nint[8];
        new Span<nint>(table, 8).Clear();
        table[0] = (nint)(delegate* unmanaged<nuint, void*>)&Allocate;
        table[1] = (nint)(delegate* unmanaged<nuint, nuint, void*>)&AllocateZeroed;
        table[2] = (nint)(delegate* unmanaged<void*, nuint, void*>)&Reallocate;
        table[3] = (nint)(delegate* unmanaged<void*, void>)&Free;
        ((delegate* unmanaged<nint*, void>)set)(table);
    }

    /// <summary>Blocks allocated since and not freed; negative if older ones were freed.</summary>
    public static long Blocks => Interlocked.Read(ref s_blocks);

    /// <inheritdoc/>
    public void Dispose() => _restore();

    [UnmanagedCallersOnly]
    private static void* Allocate(nuint bytes)
    {
        Interlocked.Increment(ref s_blocks);
        return NativeMemory.Alloc(bytes);
    }

    [UnmanagedCallersOnly]
    private static void* AllocateZeroed(nuint count, nuint bytes)
    {
        Interlocked.Increment(ref s_blocks);
        return NativeMemory.AllocZeroed(count, bytes);
    }

    [UnmanagedCallersOnly]
    private static void* Reallocate(void* block, nuint bytes)
    {
        if (block == null) Interlocked.Increment(ref s_blocks);
        return NativeMemory.Realloc(block, bytes);
    }

    [UnmanagedCallersOnly]
    private static void Free(void* block)
    {
        if (block != null) Interlocked.Decrement(ref s_blocks);
        NativeMemory.Free(block);
    }
}
