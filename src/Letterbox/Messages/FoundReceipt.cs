// What became of the message of a receipt, as the stores answer it. Never the message itself.

namespace Letterbox.Messages;

internal enum ReceiptState
{
    Unavailable, // no store has it, and not all of them could be asked
    Unknown, // no store has it, or no longer
    Stored, // on stable storage
}

/// <param name="Date">When it was stored, in <see cref="StoredMessage.DateFormat"/>.</param>
internal readonly record struct FoundReceipt(ReceiptState State, string Date = "");

/// <summary>Asks for a receipt. Does not throw for expected failures, and is safe on any thread.</summary>
internal delegate ValueTask<FoundReceipt> FindReceipt(MessageKey id);
