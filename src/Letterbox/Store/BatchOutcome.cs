// What became of one batch on its way from the journal into MongoDB.

namespace Letterbox.Store;

/// <summary>The outcome of a batch.</summary>
/// <param name="Stored">
/// True: every document of the batch is in MongoDB with the write concern asked for, except those in
/// <paramref name="Refused"/>. False: nothing is certain, and the same batch is sent again.
/// </param>
/// <param name="Fault">Why not, fit for a log: never with a password. Null when stored.</param>
/// <param name="Refused">
/// Entries that MongoDB will never take: poison, or a different document under the same key.
/// </param>
public sealed record BatchOutcome(bool Stored, string? Fault, IReadOnlyList<RefusedEntry> Refused);

/// <summary>An entry that MongoDB will never take.</summary>
/// <param name="Index">Its place in the batch, from 0.</param>
/// <param name="Reason">One line of plain text.</param>
public readonly record struct RefusedEntry(int Index, string Reason);
