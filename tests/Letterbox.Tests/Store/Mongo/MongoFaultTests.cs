// Every failure with the batch in flight: how it is reported, and that the same batch sent again is stored
// exactly once.

using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Mongo;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Mongo;

public sealed class MongoFaultTests : IAsyncDisposable
{
    private const string Database = "letterbox";
    private const string Collection = "messages";

    private readonly List<ScriptedMongo> _servers = [];

    public async ValueTask DisposeAsync()
    {
        foreach (ScriptedMongo server in _servers) await server.DisposeAsync();
    }

    [Fact]
    public void Trying_again_is_the_relays_business_on_a_replica_set_too()
    {
        ScriptedMongo server = Server(MongoTopology.ReplicaSet);
        server.Next("insert", MongoFault.Before(MongoMisbehaviour.Drop));
        using MongoStore store = Open(server);
        Assert.False(store.Insert(MongoMessages.Batch(3)).Stored);
        SeenCommand insert = Assert.Single(server.Seen("insert"));
        Assert.Null(insert.TransactionNumber);
    }

    [Theory]
    [InlineData(91)]
    [InlineData(189)]
    [InlineData(10107)]
    [InlineData(11600)]
    [InlineData(11602)]
    [InlineData(13435)]
    [InlineData(13436)]
    [InlineData(14031)]
    [InlineData(13)]
    [InlineData(18)]
    [InlineData(8)]
    [InlineData(121)]
    [InlineData(11000)]
    public void A_command_that_fails_as_a_whole_rejects_nothing(int code)
    {
        ScriptedMongo server = Server();
        server.Next("insert", MongoFault.CommandError(code));
        using MongoStore store = Open(server);
        JournalEntry[] batch = MongoMessages.Batch(3);
        BatchOutcome outcome = store.Insert(batch);
        Assert.False(outcome.Stored);
        Assert.Contains(code.ToString(), outcome.Failure?.Reason, StringComparison.Ordinal);
        Assert.Empty(outcome.Rejected);
        SendUntilStored(store, batch, leastFaults: 0);
        AssertStoredOnce(server, batch);
    }

    [Theory]
    [InlineData(64)]
    [InlineData(100)]
    [InlineData(91)]
    public void A_write_that_is_not_durable_yet_is_not_stored_until_a_duplicate_is_durable(int code)
    {
        ScriptedMongo server = Server(MongoTopology.ReplicaSet);
        MongoFault notDurable = MongoFault.NotDurable(code);
        server.Next("insert", notDurable, notDurable);
        using MongoStore store = Open(server);
        JournalEntry[] batch = MongoMessages.Batch(3);
        // After the first every document answers 11000, and the write concern is still not met. A server that
        // says that it shuts down may cost a fault more: the driver leaves its connections.
        SendUntilStored(store, batch, leastFaults: 2);
        Assert.True(server.Seen("insert").Count >= 3);
        AssertStoredOnce(server, batch);
    }

    [Theory]
    [InlineData(121)]
    [InlineData(10334)]
    [InlineData(17280)]
    public void Poison_is_rejected_and_its_neighbours_are_stored(int code)
    {
        ScriptedMongo server = Server();
        server.Next("insert", MongoFault.Reject((1, code), (3, code)));
        using MongoStore store = Open(server);
        JournalEntry[] batch = MongoMessages.Batch(5);
        BatchOutcome outcome = store.Insert(batch);
        Assert.True(outcome.Stored, outcome.Failure?.Reason);
        Assert.Equal("1 3", string.Join(' ', outcome.Rejected.Select(static r => r.Index)));
        Assert.All(outcome.Rejected, r => Assert.Contains($"{code}", r.Reason, StringComparison.Ordinal));
        AssertStoredOnce(server, [batch[0], batch[2], batch[4]]);
    }

    [Fact]
    public void A_duplicate_in_another_unique_index_is_rejected_with_the_reason_of_the_server()
    {
        ScriptedMongo server = Server();
        server.Next("insert", MongoFault.Reject((1, 11000)));
        using MongoStore store = Open(server);
        JournalEntry[] batch = MongoMessages.Batch(3);
        BatchOutcome outcome = store.Insert(batch);
        Assert.True(outcome.Stored, outcome.Failure?.Reason);
        RejectedEntry rejected = Assert.Single(outcome.Rejected);
        Assert.Equal(1, rejected.Index);
        Assert.Contains("11000", rejected.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(14031)]
    [InlineData(46)]
    [InlineData(82)]
    [InlineData(117)]
    [InlineData(134)]
    [InlineData(365)]
    public void A_document_that_fails_by_the_place_or_the_moment_is_tried_again(int code)
    {
        ScriptedMongo server = Server();
        server.Next("insert", MongoFault.Reject((0, 121), (2, code)));
        using MongoStore store = Open(server);
        JournalEntry[] batch = MongoMessages.Batch(3);
        BatchOutcome outcome = store.Insert(batch);
        Assert.False(outcome.Stored);
        Assert.Contains($"{code}", outcome.Failure?.Reason, StringComparison.Ordinal);
        Assert.Empty(outcome.Rejected);
        SendUntilStored(store, batch, leastFaults: 0);
        AssertStoredOnce(server, batch);
    }

    [Theory]
    [InlineData(MongoMisbehaviour.Drop)]
    [InlineData(MongoMisbehaviour.Freeze)]
    [InlineData(MongoMisbehaviour.Garbage)]
    [InlineData(MongoMisbehaviour.BrokenDocument)]
    internal void A_fault_while_duplicates_are_read_back_rejects_nothing(MongoMisbehaviour how)
    {
        ScriptedMongo server = Server();
        using MongoStore store = Open(server);
        JournalEntry[] batch = MongoMessages.Batch(3);
        SendUntilStored(store, batch, leastFaults: 0);
        server.Next("find", [.. Enumerable.Repeat(MongoFault.Before(how), 2)]);
        BatchOutcome outcome = store.Insert(batch);
        Assert.False(outcome.Stored);
        Assert.NotNull(outcome.Failure);
        Assert.Empty(outcome.Rejected);
        SendUntilStored(store, batch, leastFaults: 0);
        AssertStoredOnce(server, batch);
    }

    [Fact]
    public void An_answer_that_does_not_speak_of_every_message_is_not_believed()
    {
        ScriptedMongo server = Server();
        server.Next("insert", new MongoFault { Answer = new MongoDoc { { "ok", 1.0 }, { "n", 2 } } });
        using MongoStore store = Open(server);
        JournalEntry[] batch = MongoMessages.Batch(3);
        Assert.False(store.Insert(batch).Stored);
        SendUntilStored(store, batch, leastFaults: 0);
        AssertStoredOnce(server, batch);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(3)]
    [InlineData(int.MaxValue)]
    public void An_answer_that_names_a_message_out_of_the_batch_is_not_believed(int index)
    {
        ScriptedMongo server = Server();
        var error = new MongoDoc { { "index", index }, { "code", 121 }, { "errmsg", "scripted" } };
        var answer = new MongoDoc { { "ok", 1.0 }, { "n", 2 }, { "writeErrors", new object?[] { error } } };
        server.Next("insert", new MongoFault { Answer = answer });
        using MongoStore store = Open(server);
        BatchOutcome outcome = store.Insert(MongoMessages.Batch(3));
        Assert.False(outcome.Stored);
        Assert.Empty(outcome.Rejected);
    }

    [Fact]
    public void An_outage_costs_nothing_but_the_wait()
    {
        ScriptedMongo server = Server();
        using MongoStore store = Open(server);
        JournalEntry[] before = MongoMessages.Batch(3);
        SendUntilStored(store, before, leastFaults: 0);
        server.Down();
        JournalEntry[] during = MongoMessages.Batch(3);
        Assert.False(store.Insert(during).Stored);
        Assert.Throws<StoreException>(() => store.ReadAll().Count());
        server.Up();
        SendUntilStored(store, during, leastFaults: 0);
        AssertStoredOnce(server, [.. before, .. during]);
    }

    [Fact]
    public void A_server_that_is_not_there_yet_at_the_start_is_no_error()
    {
        ScriptedMongo server = Server();
        server.Down();
        using MongoStore store = Open(server);
        JournalEntry[] batch = MongoMessages.Batch(3);
        Assert.False(store.Insert(batch).Stored);
        server.Up();
        SendUntilStored(store, batch, leastFaults: 0);
        AssertStoredOnce(server, batch);
    }

    [Fact]
    public void Two_stores_of_one_server_do_not_close_each_other()
    {
        ScriptedMongo server = Server();
        using var store = MongoStore.Open(server.Uri, Database, Collection);
        Assert.Empty(store.ReadAll());
        using (var other = MongoStore.Open(server.Uri, Database, Collection)) Assert.Empty(other.ReadAll());
        Assert.True(store.Insert(MongoMessages.Batch(1)).Stored);
    }

    [Fact]
    public void A_listing_that_breaks_says_so_and_can_be_done_again()
    {
        ScriptedMongo server = Server();
        server.PageMax = 10;
        using MongoStore store = Open(server);
        JournalEntry[] batch = MongoMessages.Batch(35);
        SendUntilStored(store, batch, leastFaults: 0);
        server.Next("getMore", MongoFault.Before(MongoMisbehaviour.Drop));
        var shown = new List<StoredMessage>();
        Assert.Throws<StoreException>(() => shown.AddRange(store.ReadAll()));
        Assert.Equal(batch.Select(static e => e.Message), store.ReadAll());
    }

    [Fact]
    public void No_fault_text_holds_the_password()
    {
        ScriptedMongo server = Server();
        string uri = server.ImpatientUri.Replace("://", "://me:hunter2secret@", StringComparison.Ordinal);
        using var store = MongoStore.Open(uri, Database, Collection);
        JournalEntry[] batch = MongoMessages.Batch(1);
        var texts = new List<string?> { store.Insert(batch).Failure?.Reason };
        texts.Add(Assert.Throws<StoreException>(() => store.ReadAll().Count()).Message);
        server.Down();
        texts.Add(store.Insert(batch).Failure?.Reason);
        Assert.All(texts, static text =>
        {
            Assert.False(string.IsNullOrWhiteSpace(text));
            Assert.DoesNotContain("hunter2secret", text, StringComparison.Ordinal);
        });
    }

    private static void SendUntilStored(MongoStore store, JournalEntry[] batch, int leastFaults)
    {
        int failures = 0;
        BatchOutcome outcome = store.Insert(batch);
        for (; !outcome.Stored; outcome = store.Insert(batch))
        {
            Assert.False(string.IsNullOrWhiteSpace(outcome.Failure?.Reason));
            Assert.Empty(outcome.Rejected);
            Assert.True(++failures < 10, outcome.Failure?.Reason);
        }

        Assert.Null(outcome.Failure?.Reason);
        Assert.Empty(outcome.Rejected);
        Assert.True(failures >= leastFaults, "the failure did not occur");
    }

    private static void AssertStoredOnce(ScriptedMongo server, IEnumerable<JournalEntry> batch)
    {
        IEnumerable<StoredMessage> stored =
            server.Stored(Database, Collection).Select(static d => new StoredMessage(
                (MessageKey)d["_id"]!, (string)d["date"]!, (string)d["username"]!, (string)d["message"]!));
        Assert.Equal(
            batch.Select(static e => e.Message).OrderBy(static m => m.Id),
            stored.OrderBy(static m => m.Id));
    }

    private static MongoStore Open(ScriptedMongo server) =>
        MongoStore.Open(server.ImpatientUri, Database, Collection);

    private ScriptedMongo Server(MongoTopology topology = MongoTopology.Standalone)
    {
        var server = new ScriptedMongo(topology);
        _servers.Add(server);
        return server;
    }
}
