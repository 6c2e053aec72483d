// `letterbox import`: takes back in what `letterbox messages --format json` or mongoexport wrote.

using System.CommandLine;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Commands;

/// <summary>The verb <c>import</c>.</summary>
internal static class ImportCommand
{
    /// <summary>Its place on the command line.</summary>
    /// <param name="read">Reads the settings.</param>
    public static Command Create(Func<ParseResult, Settings> read)
    {
        var file = new Argument<string>("FILE")
        {
            Description = "Written by \"messages --format json\" or mongoexport; - is standard input.",
            DefaultValueFactory = _ => "-",
        };
        var import = new Command(
            "import", "Stores messages under the keys and dates that they have; repeating it does no harm.")
        {
            file,
        };
        import.SetAction((line, _) => RunAsync(read(line), line.GetRequiredValue(file)));
        return import;
    }

    // Ctrl-C simply ends the process: what is stored by then is there already the next time.
    private static async Task<int> RunAsync(Settings settings, string file)
    {
        await using Stream input = file == "-" ? Console.OpenStandardInput() : File.OpenRead(file);
        using MongoStore? mongo =
            MongoStore.Open(settings.MongoUri, settings.MongoDatabase, settings.MongoCollection);
        if (mongo is not null) return await RunAsync(ImportTarget.Mongo(mongo, TimeProvider.System), input);
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
            // The import reports what it would log.
            return MessageJournal.Open(
                settings.Data, TimeProvider.System, NullLogger.Instance,
                new JournalBounds(settings.JournalMax, settings.DiskReserve));
        }
        catch (StoreException e) when (e.InUse)
        {
            throw new StoreException($"{e.Message}; stop it for the import, it is the journal's only writer");
        }
    }
}
