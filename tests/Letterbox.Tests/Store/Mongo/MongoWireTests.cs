// What is asked of MongoDB, as the server sees it, and what is made of documents that are not Letterbox's.

using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Mongo;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Mongo;

public sealed class MongoWireTests : IAsyncDisposable
{
    private readonly ScriptedMongo _server = new();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [InlineData("")]
    [InlineData("&w=0")]
    [InlineData("&w=1&journal=false")]
    public void Every_insert_is_unordered_and_asks_for_majority_and_journal(string options)
    {
        using MongoStore store = Open(options);
        BatchOutcome outcome = store.Insert(MongoMessages.Batch(1000));
        Assert.True(outcome.Stored, outcome.Failure?.Reason);
        IReadOnlyList<SeenCommand> inserts = _server.Seen("insert");
        Assert.Equal(1000, Assert.Single(inserts).Documents);
        Assert.All(inserts, static insert =>
        {
            Assert.Equal("messages", insert.Body["insert"]);
            Assert.Equal("letterbox", insert.Body["$db"]);
            Assert.Equal(false, insert.Body["ordered"]);
            Assert.Single(insert.Body.Names, "writeConcern");
            Assert.Equal("majority", insert.WriteConcern!["w"]);
            Assert.Equal(true, insert.WriteConcern["j"]);
            Assert.Equal(5000L, Convert.ToInt64(insert.WriteConcern["wtimeout"]));
        });
    }

    [Fact]
    public void A_document_has_exactly_the_four_fields_in_their_order()
    {
        StoredMessage message = MongoMessages.At(0);
        using MongoStore store = Open();
        store.Insert(MongoMessages.Batch(message));
        MongoDoc document = Assert.Single(_server.Stored("letterbox", "messages"));
        Assert.Equal(["_id", "date", "username", "message"], document.Names);
        Assert.Equal(message.Id, document["_id"]);
        Assert.Equal("2022-10-29 20:20:58.000000", document["date"]);
        Assert.Equal("krabaton", document["username"]);
        Assert.Equal("First message", document["message"]);
    }

    [Fact]
    public void The_client_names_itself()
    {
        using MongoStore store = Open();
        Assert.Empty(store.ReadAll());
        var names = _server.Seen("isMaster").Concat(_server.Seen("hello"))
            .Select(static c => (c.Body["client"] as MongoDoc)?["application"]).OfType<MongoDoc>();
        Assert.All(names, static n => Assert.Equal("letterbox", n["name"]));
        Assert.NotEmpty(names);
    }

    [Fact]
    public void A_long_listing_is_fetched_page_by_page()
    {
        using MongoStore store = Open();
        store.Insert(MongoMessages.Batch(1000));
        Assert.Equal(1000, store.ReadAll().Count());
        Assert.NotEmpty(_server.Seen("getMore"));
        Assert.Equal(0, _server.OpenCursors);
    }

    [Fact]
    public void A_listing_that_is_left_closes_its_cursor_on_the_server()
    {
        using MongoStore store = Open();
        store.Insert(MongoMessages.Batch(1000));
        Assert.Equal(5, store.ReadAll().Take(5).Count());
        Assert.Equal(0, _server.OpenCursors);
    }

    [Fact]
    public void Following_asks_for_a_window_only()
    {
        using MongoStore store = Open();
        store.Insert(MongoMessages.Batch(MongoMessages.At(0), MongoMessages.At(10_000)));
        Assert.Equal(2, store.ReadAll().Count());
        Assert.Empty(store.ReadNew());
        var filter = (MongoDoc)_server.Seen("find")[^1].Body["filter"]!;
        Assert.Equal(MongoMessages.Date(2_800), ((MongoDoc)filter["date"]!)["$gte"]);
    }

    [Fact]
    public void The_keys_that_are_taken_are_read_back_from_the_primary()
    {
        using MongoStore store = Open("&readPreference=secondaryPreferred");
        JournalEntry[] batch = MongoMessages.Batch(1);
        Assert.True(store.Insert(batch).Stored);
        Assert.True(store.Insert(batch).Stored);
        SeenCommand find = Assert.Single(_server.Seen("find"));
        // A lone server is asked in any case; what it is told is whether a secondary would have done.
        Assert.NotEqual("secondaryPreferred", (find.Body["$readPreference"] as MongoDoc)?["mode"]);
    }

    [Fact]
    public void Documents_of_others_are_listed_with_what_they_have()
    {
        MessageKey id = MessageKey.New(TimeProvider.System);
        Put(new MongoDoc { { "_id", "a string" }, { "message", "no date" } });
        Put(new MongoDoc { { "_id", id }, { "date", 42 }, { "username", null } });
        Put(new MongoDoc { { "_id", 3 }, { "date", "zzz" }, { "extra", new MongoDoc() } });
        StoredMessage ours = MongoMessages.At(0);
        using MongoStore store = Open();
        store.Insert(MongoMessages.Batch(ours));
        Assert.Equal(
            [new(default, "", "", "no date"), new(id, "", "", ""), ours, new(default, "zzz", "", "")],
            store.ReadAll());
        Assert.Empty(store.ReadNew());
    }

    private MongoStore Open(string options = "") =>
        MongoStore.Open(_server.Uri + options, "letterbox", "messages");

    private void Put(MongoDoc document) => _server.Put("letterbox", "messages", document);
}
