// MongoDB cannot be used: at start, or in the middle of a listing.

namespace Letterbox.Store;

/// <summary>
/// MongoDB cannot be used; the text says why and what to mend, fit for a person and for a log: never with a
/// password. A batch that could not be stored is no exception but a <see cref="BatchOutcome"/>.
/// </summary>
public sealed class MongoException(string message) : Exception(message);
