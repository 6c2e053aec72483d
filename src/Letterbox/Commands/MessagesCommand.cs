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
        Option<string?> format = CommandOption.Of<string>(
            "--format", "format",
            "table, json (one object per line) or csv (for a spreadsheet, and for import).");
        format.AcceptOnlyFromAmong(ListingFormat.Names);
        Option<string?> id = CommandOption.Of<string>(
            "--id", "id", "The whole message with this receipt number, or short id.");
        Option<string?> since = CommandOption.Of<string>(
            "--since", "when", $"Messages received since then: {PointInTime.Expected}.");
        Option<string?> until = CommandOption.Of<string>("--until", "when", "Received before then.");
        Option<string?> search = CommandOption.Of<string>(
            "--search", "text", "With this text in the message or the name, in upper or lower case.");
        Option<int?> limit = CommandOption.Of<int?>("--limit", "number", "The newest ones only.");
        var journal = new Option<bool>("--journal")
        {
            Description = "Those in the journal, even if MongoDB is configured.",
        };
        var messages = new Command("messages", "Lists the stored messages, oldest first.")
        {
            follow, format, id, since, until, search, limit, journal,
        };
        messages.SetAction((line, _) => RunAsync(
            read(line),
            MessageFilter.Read(
                line.GetValue(id), line.GetValue(since), line.GetValue(until), line.GetValue(search),
                line.GetValue(limit)),
            line.GetValue(format), line.GetValue(follow), line.GetValue(journal)));
        return messages;
    }

    private static async Task<int> RunAsync(
        Settings settings, MessageFilter filter, string? format, bool follow, bool journal)
    {
        using StopSignal stop = StopSignal.Listen();
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        await using TextWriter output = StandardStreams.OpenOutput(ended);
        ListingFormat lines = format is null && filter.Id is not null
            ? ListingFormat.Whole
            : ListingFormat.For(format ?? "table", StandardStreams.Columns);
        if (journal) settings = settings with { MongoUri = null };
        // A message whose key another document had was delivered under another key.
        if (MessageKey.TryParse(filter.Id, out MessageKey receipt) && File.Exists(settings.JournalPath))
        {
            using JournalReader reader = JournalReader.Open(settings.JournalPath);
            filter = filter with { Id = $"{reader.KeyOf(receipt)}" };
        }

        return await ListAsync(settings, new Listing(filter, lines, follow, output), ended.Token);
    }

    // Lists MongoDB when it is configured and can be read, else the journal. Returns the exit status.
    internal static async Task<int> ListAsync(Settings settings, Listing listing, CancellationToken stop)
    {
        // Some messages are not listed, or may not be.
        bool incomplete = false;
        if (settings.MongoUri is { } uri)
        {
            using var mongo = MongoStore.Open(uri, settings.MongoDatabase, settings.MongoCollection);
            try
            {
                await listing.RunAsync(mongo, LocalTime.Clock, stop);
                return Found() ? ExitStatus.Ok : ExitStatus.Failed;
            }
            catch (StoreException e) when (!listing.HasBegun && File.Exists(settings.JournalPath))
            {
                string keep =
                    settings.Variables[Setting.JournalKeep.Variable] ?? Setting.JournalKeep.Default;
                WriteError(
                    $"{e.Message}; listing the journal, which has what is not delivered yet and what was "
                    + $"delivered in the last {keep}");
                incomplete = true;
            }
        }

        using JournalReader journal = JournalReader.Open(settings.JournalPath);
        journal.OnDamage = (_, _, damage) =>
        {
            incomplete = true;
            WriteError(damage);
        };
        await listing.RunAsync(journal, LocalTime.Clock, stop);
        return Found() && !incomplete ? ExitStatus.Ok : ExitStatus.Failed;

        bool Found()
        {
            if (listing.HasFound) return true;
            WriteError("there is no message with that id");
            return false;
        }

        static void WriteError(string text) => Console.Error.WriteLine($"letterbox: {text}");
    }

    // One listing. Used once, except that it may start over if reading failed before it had begun.
    internal sealed class Listing(MessageFilter filter, ListingFormat format, bool follow, TextWriter output)
    {
        private long _written;

        public bool HasBegun { get; private set; }

        // False: the message that was asked for does not exist.
        public bool HasFound => _written > 0 || filter.Id is null;

        /// <exception cref="StoreException">The store cannot be read.</exception>
        /// <exception cref="IOException">The output cannot be written, as on a full disk.</exception>
        public async Task RunAsync(IStoredMessages stored, TimeProvider time, CancellationToken stop)
        {
            try
            {
                await WriteAsync(Newest(stored.ReadAll(), stop), stop);
                while (follow && !stop.IsCancellationRequested)
                {
                    await Task.Delay(s_pollInterval, time, stop);
                    await WriteAsync(stored.ReadNew(), stop);
                }
            }
            catch (OperationCanceledException)
            {
                // This is how following ends.
            }
        }

        private IEnumerable<StoredMessage> Newest(IEnumerable<StoredMessage> all, CancellationToken stop)
        {
            if (filter.Limit is not { } limit) return all;
            var newest = new Queue<StoredMessage>();
            foreach (StoredMessage message in all.Where(filter.Matches))
            {
                if (stop.IsCancellationRequested) break;
                if (newest.Count == limit) newest.Dequeue();
                newest.Enqueue(message);
            }

            return newest;
        }

        private async Task WriteAsync(IEnumerable<StoredMessage> messages, CancellationToken stop)
        {
            using IEnumerator<StoredMessage> each = messages.GetEnumerator();
            bool more = each.MoveNext();
            if (!HasBegun) await output.WriteAsync(format.Head);
            HasBegun = true;
            for (; more && !stop.IsCancellationRequested; more = each.MoveNext())
            {
                if (!filter.Matches(each.Current)) continue;
                await output.WriteAsync(format.Line(each.Current));
                _written++;
            }
        }
    }
}
