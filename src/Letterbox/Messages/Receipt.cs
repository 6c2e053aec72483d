// The answer to a message, and what each answer promises. Every layer passes it on unchanged.

namespace Letterbox.Messages;

internal enum ReceiptKind
{
    /// <summary>
    /// On stable storage: the journal's commit that holds the message was synced first. The message will
    /// reach MongoDB, where one is configured, exactly once. In the protocol: <c>OK id</c>.
    /// </summary>
    Stored,

    /// <summary>
    /// Not stored and never will be: the message itself is invalid. In the protocol: <c>NO reason</c>.
    /// </summary>
    Rejected,

    /// <summary>
    /// Not now, or unknown: the message may or may not be stored. Sending it again under the same key is safe
    /// and necessary. In the protocol: <c>WAIT reason</c>.
    /// </summary>
    Later,

    /// <summary>
    /// Not a receipt of a message, but the answer to a status request: the reason is the whole line.
    /// </summary>
    Status,
}

// The key of a stored message; otherwise one line of plain text.
internal readonly record struct Receipt(ReceiptKind Kind, MessageKey Id, string Reason)
{
    // Part of the protocol: both ends compare this text, and stores of other versions send it.
    private const string TakenReason = " is already taken by a different message";

    // With Later: whether the message is stored is not known.
    public bool MaybeStored { get; private init; }

    /// <summary>Rejected only because a different message has its key.</summary>
    public bool IsTaken =>
        Kind == ReceiptKind.Rejected && Reason.EndsWith(TakenReason, StringComparison.Ordinal);

    public static Receipt Stored(MessageKey id) => new(ReceiptKind.Stored, id, "");

    public static Receipt Rejected(string reason) => new(ReceiptKind.Rejected, default, reason);

    public static Receipt Taken(MessageKey id) => Rejected($"id {id}{TakenReason}");

    // Nothing was stored.
    public static Receipt Later(string reason) => new(ReceiptKind.Later, default, reason);

    // The message was sent, and the answer was lost.
    public static Receipt Unknown(string reason) => Later(reason) with { MaybeStored = true };

    public static Receipt Status(string line) => new(ReceiptKind.Status, default, line);
}

/// <summary>
/// Passes a message to the next hop and returns its receipt. Does not throw for expected failures (a broken
/// connection, a full queue, a timeout): those are <see cref="ReceiptKind.Later"/>. Safe to call from any
/// thread, concurrently.
/// </summary>
internal delegate ValueTask<Receipt> Deliver(Message message);
