// `letterbox messages`: what is stored, as a table, as JSON lines or as CSV.

namespace Letterbox.Store;

/// <summary>Writes stored messages for people and for programs.</summary>
public static class Listing
{
    /// <summary>
    /// Writes every stored message, oldest first, and with <paramref name="follow"/> each new one until
    /// <paramref name="stop"/>. Returns the exit status.
    /// </summary>
    /// <param name="settings">Names the store: MongoDB when it is configured, else the journal.</param>
    /// <param name="format"><c>table</c>, <c>json</c> (one object a line) or <c>csv</c>.</param>
    /// <param name="follow">Go on with new messages.</param>
    /// <param name="output">Where to.</param>
    /// <param name="stop">Ends the following.</param>
    public static Task<int> RunAsync(Settings settings, string format, bool follow, TextWriter output, CancellationToken stop) =>
        throw new NotSupportedException();
}
