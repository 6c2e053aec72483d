// The outcome of one batch on its way from the journal to a destination.

using Letterbox.Messages;

namespace Letterbox.Store.Delivery;

/// <summary>Why a batch was not delivered, or not certainly.</summary>
/// <param name="Reason">One line for a log, never with a password.</param>
/// <param name="NeedsOperator">
/// A person has to fix something first, such as a wrong password or a full disk: retrying soon does not help.
/// </param>
internal sealed record DeliveryFailure(string Reason, bool NeedsOperator = false);

/// <summary>The outcome of a batch.</summary>
/// <param name="Failure">
/// Null: every message of the batch is stored durably, except those in <paramref name="Rejected"/>. Else
/// nothing is certain, and the same messages are sent again.
/// </param>
/// <param name="Rejected">Messages that the destination rejected while it stored the rest.</param>
internal sealed record BatchOutcome(DeliveryFailure? Failure, IReadOnlyList<RejectedEntry> Rejected)
{
    public bool Stored => Failure is null;

    public static BatchOutcome Failed(string reason) => new(new DeliveryFailure(reason), []);
}

/// <summary>A message that the destination rejected.</summary>
/// <param name="Index">Position in the batch, from 0.</param>
/// <param name="Reason">One line of plain text.</param>
/// <param name="IsPermanent">
/// False: the error code is not known here, and the destination may accept the message later.
/// </param>
internal readonly record struct RejectedEntry(int Index, string Reason, bool IsPermanent = true)
{
    /// <summary>The reason when a different document has the key.</summary>
    public const string Conflict = "conflict";
}

/// <summary>
/// Delivers a batch. Called for several batches at once. A batch may come again, whole or in part, even after
/// it was stored.
/// </summary>
internal delegate Task<BatchOutcome> DeliverBatch(
    IReadOnlyList<JournalEntry> batch, CancellationToken cancel);
