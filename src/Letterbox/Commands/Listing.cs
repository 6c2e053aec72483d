// `letterbox messages`: what is stored, for people (a table) and for programs (JSON lines, CSV).

using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;

namespace Letterbox.Commands;

/// <summary>Writes stored messages for people and for programs.</summary>
internal static class Listing
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(300);

    /// <summary>
    /// Writes every stored message, oldest first, and with <paramref name="follow"/> each new one until
    /// <paramref name="stop"/>. Errors go to standard error. Returns the exit status.
    /// </summary>
    /// <param name="settings">Names the store: MongoDB when it is configured, else the journal.</param>
    /// <param name="format"><c>table</c>, <c>json</c> (one object a line) or <c>csv</c>.</param>
    /// <param name="follow">Go on with new messages.</param>
    /// <param name="output">
    /// Where to, encoded as UTF-8. A reader that closes the pipe (<c>| head</c>) is not a failure:
    /// .NET writes on into nothing.
    /// </param>
    /// <param name="stop">Ends the following.</param>
    /// <exception cref="IOException">The output takes no more, as on a full disk.</exception>
    public static async Task<int> RunAsync(
        Settings settings, string format, bool follow, TextWriter output, CancellationToken stop)
    {
        int columns = Console.IsOutputRedirected ? int.MaxValue : Math.Max(40, Console.WindowWidth);
        if (ListingFormat.For(format, columns) is not { } lines)
        {
            await Console.Error.WriteLineAsync(
                $"letterbox: format is \"{format}\": expected table, json or csv");
            return ExitStatus.Usage;
        }

        try
        {
            using IStoredMessages stored = settings.MongoUri is { } uri
                ? MongoStore.Open(uri, settings.MongoDatabase, settings.MongoCollection)
                : JournalReader.Open(settings.JournalPath);
            bool damaged = false;
            if (stored is JournalReader journal)
            {
                journal.OnDamage = (_, _, damage) =>
                {
                    damaged = true;
                    Console.Error.WriteLine($"letterbox: {damage}");
                };
            }

            int status = await RunAsync(stored, lines, follow, output, TimeProvider.System, stop);
            return damaged ? ExitStatus.Failed : status;
        }
        catch (StoreException e)
        {
            await Console.Error.WriteLineAsync($"letterbox: {e.Message}");
            return ExitStatus.Failed;
        }
    }

    /// <summary>The same from a store that is open already.</summary>
    /// <exception cref="StoreException">The store cannot be read, or no longer.</exception>
    /// <exception cref="IOException">The output takes no more.</exception>
    internal static async Task<int> RunAsync(
        IStoredMessages stored, ListingFormat format, bool follow, TextWriter output, TimeProvider time,
        CancellationToken stop)
    {
        try
        {
            await output.WriteAsync(format.Head);
            await WriteAsync(stored.ReadAll());
            while (follow && !stop.IsCancellationRequested)
            {
                await Task.Delay(s_poll, time, stop);
                await WriteAsync(stored.ReadNew());
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped while it followed: that is how following ends.
        }
        return ExitStatus.Ok;

        async Task WriteAsync(IEnumerable<StoredMessage> messages)
        {
            foreach (StoredMessage message in messages)
            {
                if (stop.IsCancellationRequested) break;
                await output.WriteAsync(format.Line(message));
            }

            await output.FlushAsync(stop);
        }
    }
}
