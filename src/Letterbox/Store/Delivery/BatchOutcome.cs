// What became of one batch on its way from the journal into MongoDB.

namespace Letterbox.Store.Delivery;

/// <summary>The outcome of a batch.</summary>
/// <param name="Stored">
/// True: every document of the batch is in MongoDB with the write concern asked for, except those in
/// <paramref name="Rejected"/>. False: nothing is certain, and the same messages are sent again.
/// </param>
/// <param name="Failure">Why not, fit for a log: never with a password. Null when stored.</param>
/// <param name="Rejected">Entries that MongoDB did not take, though it took or knew the others.</param>
public sealed record BatchOutcome(bool Stored, string? Failure, IReadOnlyList<RejectedEntry> Rejected)
{
    /// <summary>
    /// Whether the fault is one of the place, such as a wrong password or a full disk: a person has to fix
    /// it, and trying again soon will not help.
    /// </summary>
    public bool NeedsOperator { get; init; }

    /// <summary>Nothing is certain, for this reason.</summary>
    internal static BatchOutcome Of(DeliveryFailure failure) =>
        new(Stored: false, failure.Reason, []) { NeedsOperator = failure.NeedsOperator };
}

/// <summary>Why nothing is certain of a batch.</summary>
/// <param name="Reason">Fit for a log: one line, never with a password.</param>
/// <param name="NeedsOperator">Whether a person has to fix something before it can work.</param>
internal sealed record DeliveryFailure(string Reason, bool NeedsOperator = false);

/// <summary>An entry that MongoDB did not take.</summary>
/// <param name="Index">Its place in the batch, from 0.</param>
/// <param name="Reason">One line of plain text.</param>
/// <param name="ForGood">
/// True: it never will, being poison, or because a different document has its key. False: it refused by a
/// code that is not known here, and may take it another time.
/// </param>
public readonly record struct RejectedEntry(int Index, string Reason, bool ForGood = true)
{
    /// <summary>The reason of an entry whose key is taken by a different document.</summary>
    public const string Conflict = "conflict";
}
