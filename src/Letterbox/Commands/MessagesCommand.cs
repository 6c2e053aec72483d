// `letterbox messages`: lists what is stored, for people (a table) and for programs (JSON lines, CSV).

using System.CommandLine;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;

namespace Letterbox.Commands;

internal static class MessagesCommand
{
    private static readonly TimeSpan s_pollInterval = TimeSpan.FromMilliseconds(300);

    public static Command Create(Func<ParseResult, Settings> read)
    {
        var follow = new Option<bool>("--follow") { Description = "Continue with new messages." };
        var format = new Option<string>("--format")
        {
            Description = "Output format; json is one object per line.",
            DefaultValueFactory = static _ => ListingFormat.Names[0],
        };
        format.AcceptOnlyFromAmong(ListingFormat.Names);
        var messages = new Command("messages", "Lists the stored messages, oldest first.") { follow, format };
        messages.SetAction((line, _) =>
            RunAsync(read(line), line.GetRequiredValue(format), line.GetValue(follow)));
        return messages;
    }

    private static async Task<int> RunAsync(Settings settings, string format, bool follow)
    {
        using StopSignal stop = StopSignal.Listen();
        int columns = Console.IsOutputRedirected ? int.MaxValue : Math.Max(40, Console.WindowWidth);
        // A reader that closes the pipe (`| head`) is not a failure: .NET discards the rest.
        await using var output = new StreamWriter(Console.OpenStandardOutput(), bufferSize: 64 * 1024);
        output.AutoFlush = follow;
        return await ListAsync(settings, ListingFormat.For(format, columns), follow, output, stop.Token);
    }

    // Lists MongoDB when it is configured, else the journal. Returns the exit status.
    internal static async Task<int> ListAsync(
        Settings settings, ListingFormat format, bool follow, TextWriter output, CancellationToken stop)
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

        await ListAsync(stored, format, follow, output, LocalTime.Clock, stop);
        return damaged ? ExitStatus.Failed : ExitStatus.Ok;
    }

    /// <exception cref="StoreException">The store cannot be read.</exception>
    /// <exception cref="IOException">The output cannot be written, as on a full disk.</exception>
    internal static async Task ListAsync(
        IStoredMessages stored, ListingFormat format, bool follow, TextWriter output, TimeProvider time,
        CancellationToken stop)
    {
        try
        {
            await output.WriteAsync(format.Head);
            await WriteAsync(stored.ReadAll());
            while (follow && !stop.IsCancellationRequested)
            {
                await Task.Delay(s_pollInterval, time, stop);
                await WriteAsync(stored.ReadNew());
            }
        }
        catch (OperationCanceledException)
        {
            // This is how following ends.
        }

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
