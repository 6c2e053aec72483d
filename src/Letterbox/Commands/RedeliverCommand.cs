// `letterbox redeliver`: has messages of the journal brought to MongoDB again, after it lost them.

using System.CommandLine;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Store.Journal;

namespace Letterbox.Commands;

/// <summary>The verb <c>redeliver</c>.</summary>
internal static class RedeliverCommand
{
    /// <summary>Its place on the command line.</summary>
    /// <param name="read">Reads the settings.</param>
    public static Command Create(Func<ParseResult, Settings> read)
    {
        var since = new Option<string>("--since")
        {
            Description = $"What was delivered since then: {PointInTime.Expected}.",
            HelpName = "when",
            Required = true,
        };
        var redeliver = new Command(
            "redeliver", "Brings messages that the journal still holds to MongoDB again.") { since };
        redeliver.SetAction((line, _) => Task.FromResult(Run(read(line), line.GetRequiredValue(since))));
        return redeliver;
    }

    private static int Run(Settings settings, string since)
    {
        if (!PointInTime.TryParse(since, TimeProvider.System, out DateTimeOffset moment))
            throw new SettingsException($"--since is \"{since}\": expected {PointInTime.Expected}");
        long messages = Redelivery.Request(settings.JournalPath, moment);
        string local = $"{moment.ToLocalTime():yyyy-MM-dd HH:mm:ss}";
        string what = messages == 1 ? "1 message" : $"{messages} messages";
        Console.WriteLine(messages == 0
            ? $"nothing that {settings.JournalPath} holds was delivered since {local}"
            : $"{what} delivered since {local} will be delivered again: within seconds by the "
                + "store process that runs, else as soon as it is started");
        return ExitStatus.Ok;
    }
}
