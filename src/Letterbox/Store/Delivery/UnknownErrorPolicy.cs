// When a refusal by an unknown code counts.
//
// MongoDB has thousands of codes, and another server others still. One that is not known here may speak of
// the message (an index that cannot take it), or of the moment. So the message is tried again for a minute,
// together with whatever follows it. After that minute it goes to quarantine, which holds up nobody and loses
// nothing: `letterbox quarantine retry`. Such refusals that come later do so at once, until there have been
// none for ten minutes: so a stream of them cannot hold up the others for a minute each.
//
// A refusal counts only where MongoDB took a neighbour. While it takes nothing, the place is at fault,
// whatever the code says, and nobody is held up who would not be held up anyway.

namespace Letterbox.Store.Delivery;

/// <summary>Judges doubtful refusals. Used by the relay's thread.</summary>
internal sealed class UnknownErrorPolicy(TimeProvider time)
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_memory = TimeSpan.FromMinutes(10);

    private long? _met;
    private long _since;

    /// <summary>
    /// Why the batch is to be tried again, as long as one of its entries is in doubt; <c>null</c>: what was
    /// refused is refused.
    /// </summary>
    public string? Of(IReadOnlyList<RejectedEntry> rejected, int batch)
    {
        foreach (RejectedEntry entry in rejected)
        {
            if (entry.IsPermanent) continue;
            return rejected.Count == batch || IsWithinRetryTime() ? entry.Reason : null;
        }

        return null;
    }

    private bool IsWithinRetryTime()
    {
        long now = time.GetTimestamp();
        if (_met is not { } last || time.GetElapsedTime(last, now) > s_memory) _since = now;
        _met = now;
        return time.GetElapsedTime(_since, now) < s_timeout;
    }
}
