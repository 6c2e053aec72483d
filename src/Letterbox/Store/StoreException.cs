// The store cannot be used: the journal or MongoDB, at the start or in the middle of a listing.

namespace Letterbox.Store;

/// <summary>
/// The journal or MongoDB cannot be used; the text names it and says what to do, fit for a person and for a
/// log: never with a password. What can be tried again is no exception but a <see cref="Receipt"/> or a
/// <see cref="BatchOutcome"/>.
/// </summary>
/// <param name="message">What is wrong, and what to do.</param>
/// <param name="reason">The same in a few words that tell a stranger nothing of this machine.</param>
public sealed class StoreException(string message, string? reason = null) : Exception(message)
{
    /// <summary>Why, in a few words that tell a stranger nothing of this machine.</summary>
    public string Reason { get; } = reason ?? "the store cannot be used";

    /// <summary>Another process owns the journal: when that has ended, it can be used.</summary>
    public bool InUse { get; init; }
}
