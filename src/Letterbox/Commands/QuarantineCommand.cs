// `letterbox quarantine list|retry|drop`: the messages that MongoDB rejects.

using System.CommandLine;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Store.Journal;

namespace Letterbox.Commands;

internal static class QuarantineCommand
{
    public static Command Create(Func<ParseResult, Settings> read)
    {
        var format = new Option<string>("--format")
        {
            Description = "Output format; json is one object per line and includes the text.",
            DefaultValueFactory = _ => "table",
        };
        format.AcceptOnlyFromAmong("table", "json");
        var list = new Command("list", "Lists them and why MongoDB rejects them.") { format };
        list.SetAction((line, _) => Task.FromResult(List(read(line), line.GetRequiredValue(format))));

        Argument<string[]> some = Ids(ArgumentArity.ZeroOrMore);
        var all = new Option<bool>("--all") { Description = "All of them." };
        var retry = new Command("retry", "Has them sent to MongoDB again.") { some, all };
        retry.SetAction((line, _) =>
            Task.FromResult(Retry(read(line), line.GetValue(some) ?? [], line.GetValue(all))));

        Argument<string[]> each = Ids(ArgumentArity.OneOrMore);
        var drop = new Command("drop", "Removes them permanently, and prints them as JSON.") { each };
        drop.SetAction((line, _) => Task.FromResult(Drop(read(line), line.GetRequiredValue(each))));
        return new Command("quarantine", "Messages that MongoDB rejects.") { list, retry, drop };
    }

    private static Argument<string[]> Ids(ArgumentArity arity) =>
        new("id") { Description = "Key of a message, as the list shows it.", Arity = arity };

    private static int List(Settings settings, string format)
    {
        using JournalReader journal = JournalReader.Open(settings.JournalPath);
        bool damaged = false;
        journal.OnDamage = (_, _, damage) =>
        {
            damaged = true;
            Console.Error.WriteLine($"letterbox: {damage}");
        };
        bool isTerminal = !Console.IsOutputRedirected;
        Write(output =>
        {
            if (format == "table") output.Write($"{"id",-24}  {"since",-19}  reason\n");
            foreach (QuarantinedMessage held in journal.ReadQuarantine())
            {
                output.Write(format == "table"
                    ? Row(held)
                    : ListingFormat.Json(held.Entry.Message, held.Reason, isTerminal));
            }
        });
        return damaged ? ExitStatus.Failed : ExitStatus.Ok;
    }

    private static string Row(QuarantinedMessage held)
    {
        string when = held.Since is { } since
            ? $"{LocalTime.Of(since):yyyy-MM-dd HH:mm:ss}"
            : "sent again soon";
        string reason = DisplayText.Visible(held.Reason);
        string name = DisplayText.Visible(held.Entry.Message.Username);
        return $"{held.Entry.Message.Id}  {when,-19}  {reason}; from {name}\n";
    }

    private static int Retry(Settings settings, string[] ids, bool all)
    {
        if (all == ids.Length > 0)
            throw new SettingsException("quarantine retry: expected the ids of messages, or --all");
        MessageKey[] asked = Parse(ids);
        long messages = asked.Length;
        if (all) messages = Quarantine.RetryAll(settings.JournalPath);
        else if (Quarantine.Retry(settings.JournalPath, asked) is { Count: > 0 } unknown)
            return Reject(unknown);
        string what = messages == 1 ? "1 message" : $"{messages} messages";
        Console.WriteLine(messages == 0
            ? "nothing is in quarantine"
            : $"{what} will be sent to MongoDB again: within seconds if the store process runs with MongoDB "
                + "configured, else when it is started");
        return ExitStatus.Ok;
    }

    private static int Drop(Settings settings, string[] ids)
    {
        HashSet<MessageKey> asked = [.. Parse(ids)];
        using JournalReader journal = JournalReader.Open(settings.JournalPath);
        StoredMessage[] messages =
        [
            .. journal.ReadQuarantine().Select(static held => held.Entry.Message)
                .Where(message => asked.Contains(message.Id)),
        ];
        MessageKey[] unknown = [.. asked.Except(messages.Select(static message => message.Id))];
        if (unknown.Length > 0) return Reject(unknown);
        // The output is the only copy that remains, so it is written before anything is deleted.
        bool isTerminal = !Console.IsOutputRedirected;
        bool isWritten = Write(output =>
        {
            foreach (StoredMessage message in messages)
                output.Write(ListingFormat.Json(message, isTerminal: isTerminal));
        });
        if (!isWritten) throw new IOException("nothing was changed: standard output was closed");
        return Quarantine.Drop(settings.JournalPath, asked) is { Count: > 0 } released
            ? Reject(released)
            : ExitStatus.Ok;
    }

    // False: the reader closed the pipe before the end.
    private static bool Write(Action<TextWriter> lines)
    {
        using var closed = new CancellationTokenSource();
        lines(StandardStreams.OpenOutput(closed));
        return !closed.IsCancellationRequested;
    }

    private static MessageKey[] Parse(string[] ids) => [.. ids.Distinct().Select(static text =>
        MessageKey.TryParse(text, out MessageKey id)
            ? id
            : throw new SettingsException(
                $"quarantine: id is \"{text}\": expected {MessageKey.HexLength} hexadecimal digits"))];

    private static int Reject(IReadOnlyList<MessageKey> unknown)
    {
        Console.Error.WriteLine(
            $"letterbox: nothing was changed: not in quarantine: {string.Join(", ", unknown)}");
        return ExitStatus.Failed;
    }
}
