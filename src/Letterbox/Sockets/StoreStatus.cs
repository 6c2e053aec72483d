// The answer to the status request `?`: can messages be taken now, and is there something that an operator
// should fix? The last receipt shows the first: if that message had to wait, the next one has to wait too.
//
// But a store that gets no messages because it answers WAIT would never find out that it can take them again:
// so a WAIT counts only until a message is stored, or for a while.

using Letterbox.Messages;

namespace Letterbox.Sockets;

/// <summary>The state of a store as its clients see it. Safe on any thread.</summary>
/// <param name="state">The state apart from receipts; called for every request.</param>
/// <param name="memory">How long a WAIT counts if no message follows.</param>
/// <param name="time">The clock.</param>
internal sealed class StoreStatus(Func<Readiness> state, TimeSpan memory, TimeProvider time)
{
    private volatile LastWait? _lastWait;

    public void Record(in Receipt receipt)
    {
        if (receipt.Kind == ReceiptKind.Later) _lastWait = new LastWait(receipt.Reason, time.GetTimestamp());
        else if (_lastWait is not null && receipt.Kind == ReceiptKind.Stored) _lastWait = null;
    }

    public Receipt Describe()
    {
        Readiness now = state();
        if (now.Reasons is [var reason, ..]) return Answer.NotReady(reason);
        return _lastWait is { } last && time.GetElapsedTime(last.At) < memory
            ? Answer.NotReady(last.Reason)
            : Answer.Ready(now.Notes);
    }

    private sealed record LastWait(string Reason, long At);
}
