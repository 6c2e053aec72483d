// Buffers of 32 to 128 KB, for clients that send much. The shared pool of the base class library keeps few of
// them; the rest would be garbage that lives for a while, so that it piles up in the oldest generation while
// clients come and go. Here they are used again, until the process is idle (IdleCollector.cs).

namespace Letterbox.Hosting;

// Safe on any thread.
internal static class LargeBuffers
{
    // Smaller ones are for the shared pool, which has no lock.
    public const int SizeMin = 32 * 1024;

    // One beyond this is not kept: an error page of the owner, in a response to no request.
    private const int SizeMax = 4 * SizeMin;

    private const long KeptMax = 32 * 1024 * 1024;

    private static readonly Lock s_gate = new();
    private static readonly Stack<byte[]>[] s_free = [new(), new(), new()];
    private static long s_kept;

    public static byte[] Rent(int size)
    {
        if (size > SizeMax) return new byte[size];
        int index = Index(size);
        lock (s_gate)
        {
            if (s_free[index].TryPop(out byte[]? buffer))
            {
                s_kept -= buffer.Length;
                return buffer;
            }
        }

        return GC.AllocateUninitializedArray<byte>(SizeMin << index);
    }

    public static void Return(byte[] buffer)
    {
        if (buffer.Length > SizeMax) return;
        lock (s_gate)
        {
            if (s_kept + buffer.Length > KeptMax) return;
            s_kept += buffer.Length;
            s_free[Index(buffer.Length)].Push(buffer);
        }
    }

    public static void Trim()
    {
        lock (s_gate)
        {
            foreach (Stack<byte[]> free in s_free) free.Clear();
            s_kept = 0;
        }
    }

    private static int Index(int size) => size <= SizeMin ? 0 : size <= 2 * SizeMin ? 1 : 2;
}
