// What became of a batch that the relay handed to MongoDB.

namespace Letterbox.Store;

/// <summary>The answer to one batch.</summary>
/// <param name="Stored">
/// <c>true</c>: every document of the batch is in MongoDB with the write concern that was asked for, except those in
/// <paramref name="Refused"/>. <c>false</c>: nothing is certain; send the same batch again.
/// </param>
/// <param name="Fault">Why nothing is certain, fit for a log: one line, no password in it.</param>
/// <param name="Refused">What MongoDB will never take.</param>
public sealed record BatchOutcome(bool Stored, string? Fault, IReadOnlyList<RefusedEntry> Refused);

/// <summary>A document that MongoDB will never take.</summary>
/// <param name="Index">Its place in the batch, from 0.</param>
/// <param name="Reason">Why not, fit for a log.</param>
public readonly record struct RefusedEntry(int Index, string Reason);
