// Many messages that wait in a journal, and a MongoDB to bring them to.

using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;
using Letterbox.Tests.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Torture;

/// <summary>
/// A folder with a journal, and a database of its own on the server that LETTERBOX_TEST_MONGODB_URI names, or
/// on a scripted one. Both are gone at the end.
/// </summary>
internal sealed class Backlog : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly ScriptedMongo? _scripted;

    private Backlog(int messages)
    {
        Messages = messages;
        string? named = Environment.GetEnvironmentVariable("LETTERBOX_TEST_MONGODB_URI");
        if (string.IsNullOrEmpty(named)) _scripted = new ScriptedMongo();
        Uri = _scripted?.Uri ?? named!;
        Server = _scripted is null ? "the server named" : "the scripted server";
    }

    public int Messages { get; }

    public string Uri { get; }

    public string Database { get; } = $"letterbox_test_{MessageKey.New(TimeProvider.System)}";

    /// <summary>Which MongoDB that is, in words.</summary>
    public string Server { get; }

    public string Folder => _folder.Path;

    public string Journal => _folder.File("letterbox.db");

    /// <summary>How far the relay is.</summary>
    public long Watermark =>
        long.Parse(Samples.Query(Journal, "SELECT ifnull(max(seq), 0) FROM deliveries")[0]);

    /// <summary>Makes the journal, with so many messages of 200 letters and more.</summary>
    public static async Task<Backlog> FillAsync(int messages)
    {
        var backlog = new Backlog(messages);
        await Samples.OpenJournal(backlog._folder).DisposeAsync();
        Samples.Query(backlog.Journal, $"""
            WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {messages})
            INSERT INTO messages
            SELECT n, printf('635d8a1a%016x', n), '2022-10-29 20:20:58.020261', 'krabaton',
              printf('%d %.200c', n, 'x') FROM n
            """);
        return backlog;
    }

    /// <summary>Opens a collection of the database.</summary>
    public MongoStore Open(string collection = "messages") => MongoStore.Open(Uri, Database, collection);

    /// <summary>Fails unless MongoDB has every message of the journal, as it stands there.</summary>
    public async Task AssertDeliveredAsync()
    {
        using MongoStore mongo = Open();
        using JournalReader journal = JournalReader.Open(Journal);
        foreach (StoredMessage[] page in journal.ReadAll().Chunk(1000))
        {
            IReadOnlyDictionary<MessageKey, StoredMessage> there =
                await mongo.FindAsync([.. page.Select(static message => message.Id)]);
            Assert.All(page, message => Assert.Equal(message, there.GetValueOrDefault(message.Id)));
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_scripted is not null) await _scripted.DisposeAsync();
        else MongoMessages.Drop(Uri, Database);
        _folder.Dispose();
    }
}
