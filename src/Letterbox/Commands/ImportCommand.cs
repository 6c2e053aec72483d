// `letterbox import`: stores what `letterbox messages --format json` or csv, or mongoexport, wrote.

using System.CommandLine;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Commands;

internal static class ImportCommand
{
    public static Command Create(Func<ParseResult, Settings> read)
    {
        var file = new Argument<string>("FILE")
        {
            Description = "Output of \"messages --format json\" or csv, or mongoexport; -: standard input.",
            DefaultValueFactory = _ => "-",
        };
        var import = new Command(
            "import", "Stores messages with the keys and dates that they have; it is safe to repeat.")
        {
            file,
        };
        import.SetAction((line, _) => RunAsync(read(line), line.GetRequiredValue(file)));
        return import;
    }

    // Ctrl-C just ends the process: the import can be repeated.
    private static async Task<int> RunAsync(Settings settings, string file)
    {
        await using Stream input = file == "-" ? StandardStreams.OpenInput() : File.OpenRead(file);
        using MongoStore? mongo =
            MongoStore.Open(settings.MongoUri, settings.MongoDatabase, settings.MongoCollection);
        if (mongo is not null) return await RunAsync(ImportTarget.Mongo(mongo, LocalTime.Clock), input);
        await using MessageJournal journal = Open(settings);
        return await RunAsync(ImportTarget.Journal(journal), input);
    }

    private static async Task<int> RunAsync(ImportBatch store, Stream input) =>
        await new Import(store, Console.Out, Console.Error).RunAsync(input)
            ? ExitStatus.Ok
            : ExitStatus.Failed;

    private static MessageJournal Open(Settings settings)
    {
        try
        {
            // Nothing to log: the import reports its failures itself.
            return MessageJournal.Open(
                settings.Data, LocalTime.Clock, NullLogger.Instance,
                new JournalBounds(settings.JournalMax, settings.DiskReserve));
        }
        catch (StoreException e) when (e.InUse)
        {
            throw new StoreException($"{e.Message}; stop it for the import: only one process may write");
        }
    }
}
