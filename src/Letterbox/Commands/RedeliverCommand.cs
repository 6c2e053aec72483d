// `letterbox redeliver`: has messages of the journal sent to MongoDB again, after MongoDB lost them.

using System.CommandLine;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Store.Journal;

namespace Letterbox.Commands;

internal static class RedeliverCommand
{
    public static Command Create(Func<ParseResult, Settings> read)
    {
        var since = new Option<string>("--since")
        {
            Description = $"Messages delivered since then: {PointInTime.Expected}.",
            HelpName = "when",
            Required = true,
        };
        var redeliver = new Command(
            "redeliver", "Sends messages that are still in the journal to MongoDB again.") { since };
        redeliver.SetAction((line, _) => Task.FromResult(Run(read(line), line.GetRequiredValue(since))));
        return redeliver;
    }

    private static int Run(Settings settings, string since)
    {
        if (!PointInTime.TryParse(since, LocalTime.Clock, out DateTimeOffset start))
            throw new SettingsException($"--since is \"{since}\": expected {PointInTime.Expected}");
        long messages = Redelivery.Request(settings.JournalPath, start);
        string local = $"{LocalTime.Of(start):yyyy-MM-dd HH:mm:ss}";
        string what = messages == 1 ? "1 message" : $"{messages} messages";
        Console.WriteLine(messages == 0
            ? $"no message in {settings.JournalPath} was delivered since {local}"
            : $"{what} delivered since {local} will be delivered again: within seconds if the store "
                + "process runs, else when it is started");
        return ExitStatus.Ok;
    }
}
