// `letterbox audit`: compares the journal with MongoDB, key by key.

using System.CommandLine;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;

namespace Letterbox.Commands;

/// <summary>The verb <c>audit</c>.</summary>
internal static class AuditCommand
{
    /// <summary>Its place on the command line.</summary>
    /// <param name="read">Reads the settings.</param>
    public static Command Create(Func<ParseResult, Settings> read)
    {
        var noExtra = new Option<bool>("--no-extra")
        {
            Description = "Do not look for extra messages: others write to the same collection.",
        };
        var audit = new Command(
            "audit", "Compares journal and MongoDB; missing, different or extra messages: exit status 1.")
        {
            noExtra,
        };
        audit.SetAction((line, _) => RunAsync(read(line), extra: !line.GetValue(noExtra)));
        return audit;
    }

    private static async Task<int> RunAsync(Settings settings, bool extra)
    {
        using JournalReader journal = JournalReader.Open(settings.JournalPath);
        using MongoStore? mongo =
            MongoStore.Open(settings.MongoUri, settings.MongoDatabase, settings.MongoCollection);
        bool well = await new Audit(journal, Console.Out).RunAsync(mongo, extra);
        return well ? ExitStatus.Ok : ExitStatus.Failed;
    }
}
