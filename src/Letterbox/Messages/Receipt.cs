// The answer to a message, and what each answer promises. Defined here only; every layer passes it on
// unchanged.

namespace Letterbox.Messages;

/// <summary>What became of a message.</summary>
public enum ReceiptKind
{
    /// <summary>
    /// On stable storage: the journal's commit that holds the message was synced before this was sent. It
    /// will reach MongoDB, where one is configured, exactly once. On the wire: <c>OK id</c>.
    /// </summary>
    Stored,

    /// <summary>
    /// Not stored and never will be: the message itself is wrong. On the wire: <c>NO reason</c>.
    /// </summary>
    Rejected,

    /// <summary>
    /// Not now, or not known: the message may or may not be stored. Sending it again with the same key is
    /// safe and is what to do. On the wire: <c>WAIT reason</c>.
    /// </summary>
    Later,

    /// <summary>
    /// No receipt of a message, but the answer to the question how the store is: the reason is the line.
    /// </summary>
    Status,
}

/// <summary>The answer to one message.</summary>
/// <param name="Kind">What it promises.</param>
/// <param name="Id">The key of the message; meaningful for <see cref="ReceiptKind.Stored"/> only.</param>
/// <param name="Reason">
/// One line of plain text for all but <see cref="ReceiptKind.Stored"/>.
/// </param>
public readonly record struct Receipt(ReceiptKind Kind, MessageKey Id, string Reason)
{
    // Both ends of the link depend on this text, also across versions.
    private const string TakenReason = " is already taken by a different message";

    /// <summary>Rejected only because a different message has its key.</summary>
    public bool IsTaken =>
        Kind == ReceiptKind.Rejected && Reason.EndsWith(TakenReason, StringComparison.Ordinal);

    /// <summary>On stable storage, under this key.</summary>
    public static Receipt Stored(MessageKey id) => new(ReceiptKind.Stored, id, "");

    /// <summary>Never will be: the message must be corrected.</summary>
    public static Receipt Rejected(string reason) => new(ReceiptKind.Rejected, default, reason);

    /// <summary>Never under this key.</summary>
    public static Receipt Taken(MessageKey id) => Rejected($"id {id}{TakenReason}");

    /// <summary>Not now: send the same message, with the same key, again.</summary>
    public static Receipt Later(string reason) => new(ReceiptKind.Later, default, reason);

    /// <summary>Not now: this client sends more than one client may.</summary>
    public static Receipt TooMuch { get; } = Later("more than one address may send at once");

    /// <summary>No answer to a message, but this line.</summary>
    public static Receipt Status(string line) => new(ReceiptKind.Status, default, line);
}

/// <summary>
/// Hands a message to the next hop and tells what became of it. Never throws for what can go wrong on the way
/// (a broken link, a full queue, a deadline): those are <see cref="ReceiptKind.Later"/>. Safe to call from
/// any thread, many at once.
/// </summary>
public delegate ValueTask<Receipt> Deliver(Message message);
