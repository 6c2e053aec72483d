// The outcome of one batch on its way from the journal to a destination.

using Letterbox.Messages;

namespace Letterbox.Store.Delivery;

// Called for several batches at once. A batch may come again, in whole or in part, even after it was stored.
// An empty one asks whether the destination can be reached.
internal delegate Task<BatchOutcome> DeliverBatch(
    IReadOnlyList<JournalEntry> batch, CancellationToken cancel);

// Why a batch was not delivered, or may not have been.
// Reason: one line for a log, never with a password.
// NeedsOperator: A person has to fix something first, such as a wrong password or a full disk: retrying soon
// does not help.
internal sealed record DeliveryFailure(string Reason, bool NeedsOperator = false);

// Failure: null: every message is stored durably, except those in `Rejected`. Otherwise nothing is certain,
// and the same messages are sent again.
// Rejected: messages that the destination rejected while it stored the rest.
internal sealed record BatchOutcome(DeliveryFailure? Failure, IReadOnlyList<RejectedEntry> Rejected)
{
    public bool Stored => Failure is null;

    public static BatchOutcome Failed(string reason) => new(new DeliveryFailure(reason), []);
}

// Index: position in the batch, from 0.
// Reason: one line of plain text.
// IsPermanent: false: the error code is unknown, the message may be accepted later.
internal readonly record struct RejectedEntry(int Index, string Reason, bool IsPermanent = true)
{
    // The reason when a different document has the key.
    public const string Conflict = "conflict";
}
