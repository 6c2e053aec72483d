// `letterbox quarantine list|retry|drop`: the messages that MongoDB does not take.

using System.CommandLine;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Store.Journal;

namespace Letterbox.Commands;

/// <summary>The verb <c>quarantine</c>.</summary>
internal static class QuarantineCommand
{
    /// <summary>Its place on the command line.</summary>
    /// <param name="read">Reads the settings.</param>
    public static Command Create(Func<ParseResult, Settings> read)
    {
        var format = new Option<string>("--format")
        {
            Description = "How to write them; json is one object a line, and holds all of the message.",
            DefaultValueFactory = _ => "table",
        };
        format.AcceptOnlyFromAmong("table", "json");
        var list = new Command("list", "Lists them and why MongoDB does not take them.") { format };
        list.SetAction((line, _) => Task.FromResult(List(read(line), line.GetRequiredValue(format))));

        var some = new Argument<string[]>("id")
        {
            Description = "Which; the list shows it.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var all = new Option<bool>("--all") { Description = "All of them." };
        var retry = new Command("retry", "Has them sent to MongoDB once more.") { some, all };
        retry.SetAction((line, _) =>
            Task.FromResult(Retry(read(line), line.GetValue(some) ?? [], line.GetValue(all))));

        var each = new Argument<string[]>("id")
        {
            Description = "Which; the list shows it.",
            Arity = ArgumentArity.OneOrMore,
        };
        var drop = new Command("drop", "Removes them permanently, and prints them as JSON.") { each };
        drop.SetAction((line, _) => Task.FromResult(Drop(read(line), line.GetRequiredValue(each))));
        return new Command("quarantine", "Messages that MongoDB does not take.") { list, retry, drop };
    }

    private static int List(Settings settings, string format)
    {
        using JournalReader journal = JournalReader.Open(settings.JournalPath);
        Write(output =>
        {
            if (format == "table") output.Write($"{"id",-24}  {"since",-19}  reason\n");
            foreach (QuarantinedMessage held in journal.ReadQuarantine())
            {
                output.Write(
                    format == "table" ? Row(held) : ListingFormat.Json(held.Entry.Message, held.Reason));
            }
        });
        return ExitStatus.Ok;
    }

    private static string Row(QuarantinedMessage held)
    {
        string since = held.Since is { } moment
            ? $"{moment.ToLocalTime():yyyy-MM-dd HH:mm:ss}"
            : "sent again soon";
        string reason = DisplayText.Visible(held.Reason);
        string name = DisplayText.Visible(held.Entry.Message.Username);
        return $"{held.Entry.Message.Id}  {since,-19}  {reason}; from {name}\n";
    }

    private static int Retry(Settings settings, string[] ids, bool all)
    {
        if (all == ids.Length > 0)
            throw new SettingsException("quarantine retry: expected the ids of messages, or --all");
        MessageKey[] asked = Parse(ids);
        long messages = asked.Length;
        if (all) messages = Quarantine.RetryAll(settings.JournalPath);
        else if (Quarantine.Retry(settings.JournalPath, asked) is { Count: > 0 } strange)
            return Reject(strange);
        string what = messages == 1 ? "1 message" : $"{messages} messages";
        Console.WriteLine(messages == 0
            ? "nothing is in quarantine"
            : $"{what} will be sent to MongoDB again: within seconds by a store process that runs with "
                + "MongoDB configured, else as soon as one is started");
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
        MessageKey[] strange = [.. asked.Except(messages.Select(static message => message.Id))];
        if (strange.Length > 0) return Reject(strange);
        // What is printed is all that is left of them: only what is written out may be deleted.
        Write(output =>
        {
            foreach (StoredMessage message in messages) output.Write(ListingFormat.Json(message));
        });
        return Quarantine.Drop(settings.JournalPath, asked) is { Count: > 0 } gone
            ? Reject(gone)
            : ExitStatus.Ok;
    }

    // A reader that closed the pipe is not a failure: .NET discards the rest. A full disk is one.
    private static void Write(Action<StreamWriter> lines)
    {
        using var output = new StreamWriter(Console.OpenStandardOutput());
        lines(output);
    }

    private static MessageKey[] Parse(string[] ids) => [.. ids.Distinct().Select(static text =>
        MessageKey.TryParse(text, out MessageKey id)
            ? id
            : throw new SettingsException(
                $"quarantine: id is \"{text}\": expected {MessageKey.HexLength} hexadecimal digits"))];

    private static int Reject(IReadOnlyList<MessageKey> strange)
    {
        Console.Error.WriteLine(
            $"letterbox: nothing was changed: not in quarantine: {string.Join(", ", strange)}");
        return ExitStatus.Failed;
    }
}
