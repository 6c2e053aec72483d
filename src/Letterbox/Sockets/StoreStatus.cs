// What the line `?` is answered: can messages be taken now, and is there something that a person should see
// to? The receipts tell the first: if the last message had to wait, so will the next.
//
// A store that gets no messages because it reported WAIT would never notice that it can store again: so a
// wait
// counts until a message need not, or for a while.

using Letterbox.Messages;

namespace Letterbox.Sockets;

/// <summary>The state of a store as its senders see it. Safe on any thread.</summary>
/// <param name="state">What is known without a message; called for every question.</param>
/// <param name="memory">How long a wait counts when no message comes after it.</param>
/// <param name="time">The clock.</param>
internal sealed class StoreStatus(Func<Readiness> state, TimeSpan memory, TimeProvider time)
{
    private volatile LastWait? _lastWait;

    /// <summary>Records the answer to a message.</summary>
    public void Record(in Receipt receipt)
    {
        // The rate of one client is not the state of the store.
        if (receipt == Receipt.RateExceeded) return;
        if (receipt.Kind == ReceiptKind.Later) _lastWait = new LastWait(receipt.Reason, time.GetTimestamp());
        else if (_lastWait is not null && receipt.Kind == ReceiptKind.Stored) _lastWait = null;
    }

    /// <summary>The answer to the question.</summary>
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
