// When a rejection with an unknown error code is final.
//
// MongoDB has thousands of error codes, and compatible servers have more. An unknown code may mean that the
// message is at fault (an index that cannot hold it), or that the failure is transient. So the batch is
// retried for a minute. After that the message goes to quarantine, where it delays nothing and is not lost
// (`letterbox quarantine retry`). Later rejections of this kind go there at once, until there have been none
// for ten minutes: otherwise each of them would delay all messages by a minute.
//
// A rejection is final only if another message of the batch was stored. While everything is rejected the
// database is at fault, whatever the code means, and retrying delays no message that could be delivered.

namespace Letterbox.Store.Delivery;

// Decides on rejections with unknown codes. Used by the relay's thread.
internal sealed class UnknownErrorPolicy(TimeProvider time)
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_memory = TimeSpan.FromMinutes(10);

    private long? _last;
    private long _since;

    // Why the batch has to be retried; null: its rejections are final.
    public string? RetryReason(IReadOnlyList<RejectedEntry> rejected, int batch)
    {
        string? unknown = rejected.FirstOrDefault(static entry => !entry.IsPermanent).Reason;
        return unknown is null || rejected.Count == batch || IsWithinRetryTime() ? unknown : null;
    }

    private bool IsWithinRetryTime()
    {
        long now = time.GetTimestamp();
        if (_last is not { } last || time.GetElapsedTime(last, now) > s_memory) _since = now;
        _last = now;
        return time.GetElapsedTime(_since, now) < s_timeout;
    }
}
