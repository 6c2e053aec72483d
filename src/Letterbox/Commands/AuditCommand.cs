// `letterbox audit`: compares the journal with MongoDB, key by key.

using System.CommandLine;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;

namespace Letterbox.Commands;

internal static class AuditCommand
{
    public static Command Create(Func<ParseResult, Settings> read)
    {
        var noExtra = new Option<bool>("--no-extra")
        {
            Description = "Ignore extra messages: other programs write to the collection too.",
        };
        var audit = new Command(
            "audit", "Compares the journal with MongoDB; status 1: messages are missing, different or extra.")
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
        bool clean = await new Audit(journal, Console.Out).RunAsync(mongo, extra);
        return clean ? ExitStatus.Ok : ExitStatus.Failed;
    }
}
