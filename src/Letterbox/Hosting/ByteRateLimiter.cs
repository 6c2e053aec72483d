// Limits the bytes of messages that one client sends per second, so that a few clients cannot fill the disk.
//
// A token bucket per client, stored as the time at which it will be full again (GCRA, ITU-T I.371): one
// number, changed by one atomic exchange. Clients are hashed into a fixed table, so memory does not grow with
// their number; two clients whose hashes collide share a bucket.

namespace Letterbox.Hosting;

// Safe on any thread. Without a rate there is no limit.
internal sealed class ByteRateLimiter(long? bytesPerSecond, TimeProvider time)
{
    private const int Buckets = 1 << 14;

    // Many people behind one address may send at the same time, and a message of any length must fit.
    private const int BurstSeconds = 8;
    private const long BurstMin = 64 * 1024;

    private readonly long[] _fullAt = new long[Buckets];

    // Zero: the bytes are within the rate and counted. Else nothing is counted; they fit after this time.
    public TimeSpan Acquire(Client client, int bytes)
    {
        if (bytesPerSecond is not { } rate || client.IsExempt) return TimeSpan.Zero;
        ref long slot = ref _fullAt[client.Network.GetHashCode() & (Buckets - 1)];
        double ticksPerByte = (double)time.TimestampFrequency / rate;
        long burst = (long)(Math.Max(BurstSeconds * rate, BurstMin) * ticksPerByte);
        while (true)
        {
            long now = time.GetTimestamp(), seen = Volatile.Read(ref slot);
            long next = Math.Max(seen, now) + (long)(bytes * ticksPerByte);
            if (next - now > burst) return time.GetElapsedTime(now + burst, next);
            if (Interlocked.CompareExchange(ref slot, next, seen) == seen) return TimeSpan.Zero;
        }
    }
}
