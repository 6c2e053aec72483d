// Import into both stores: what is counted, what is refused, what a store that is away makes of it.

using System.Text;
using Letterbox.Commands;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;
using Letterbox.Tests.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Commands;

public sealed class ImportTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _errors = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_journal_counts_what_is_new_and_passes_over_what_is_there()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        await RunsTwiceAsync(ImportTarget.Journal(journal));
    }

    [Fact]
    public async Task Mongodb_counts_what_is_new_and_passes_over_what_is_there()
    {
        await using var server = new ScriptedMongo();
        using var mongo = MongoStore.Open(server.Uri, "letterbox", "messages");
        await RunsTwiceAsync(ImportTarget.Mongo(mongo, TimeProvider.System));
    }

    [Fact]
    public async Task A_key_that_another_message_has_is_a_conflict_in_the_journal()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        await FindsConflictsAsync(ImportTarget.Journal(journal));
    }

    [Fact]
    public async Task A_key_that_another_message_has_is_a_conflict_in_mongodb()
    {
        await using var server = new ScriptedMongo();
        using var mongo = MongoStore.Open(server.Uri, "letterbox", "messages");
        await FindsConflictsAsync(ImportTarget.Mongo(mongo, TimeProvider.System));
    }

    [Fact]
    public async Task A_message_that_mongodb_will_never_take_is_named_and_the_others_go_in()
    {
        await using var server = new ScriptedMongo();
        using var mongo = MongoStore.Open(server.Uri, "letterbox", "messages");
        server.Next("insert", MongoFault.Reject((1, 121)));
        Assert.False(await RunAsync(ImportTarget.Mongo(mongo, TimeProvider.System), Lines(3)));
        Assert.Equal("2 imported, 0 already stored, 1 rejected\n", _output.ToString());
        Assert.StartsWith("line 2: ", _errors.ToString());
        Assert.Equal(2, server.Stored("letterbox", "messages").Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task A_mongodb_that_comes_back_in_time_gets_each_message_once(int failures)
    {
        await using var server = new ScriptedMongo();
        using var mongo = MongoStore.Open(server.Uri, "letterbox", "messages");
        server.Next("insert", [.. Enumerable.Repeat(MongoFault.NotDurable(64), failures)]);
        var time = new ManualTime();
        Task<bool> import = RunAsync(ImportTarget.Mongo(mongo, time), Lines(3));
        for (int n = 0; n < failures; n++) time.Advance(await time.NextTimerAsync());
        Assert.True(await import);
        // Stored by the first try, in doubt until the last: imported all the same.
        Assert.Equal("3 imported, 0 already stored, 0 rejected\n", _output.ToString());
        Assert.Equal(3, server.Stored("letterbox", "messages").Count);
    }

    [Theory]
    [InlineData(3, 91)]
    [InlineData(3, 91, 91)]
    [InlineData(0, 13)]
    [InlineData(0, 91, 13)]
    public async Task What_needs_an_operator_ends_it_and_what_is_transient_is_tried_again(
        int imported, params int[] codes)
    {
        await using var server = new ScriptedMongo();
        using var mongo = MongoStore.Open(server.Uri, "letterbox", "messages");
        server.Next("insert", [.. codes.Select(static code => MongoFault.CommandError(code))]);
        var time = new ManualTime();
        Task<bool> import = RunAsync(ImportTarget.Mongo(mongo, time), Lines(3));
        int pauses = imported > 0 ? codes.Length : codes.Length - 1;
        for (int n = 0; n < pauses; n++) time.Advance(await time.NextTimerAsync());
        Assert.Equal(imported > 0, await import);
        Assert.StartsWith($"{imported} imported", _output.ToString());
    }

    [Fact]
    public async Task A_mongodb_that_does_not_come_back_ends_the_import_where_it_stood()
    {
        await using var server = new ScriptedMongo();
        using var mongo = MongoStore.Open(server.Uri, "letterbox", "messages");
        server.Next("find", [.. Enumerable.Repeat(MongoFault.CommandError(13, "not you"), 5)]);
        var time = new ManualTime();
        Task<bool> import = RunAsync(ImportTarget.Mongo(mongo, time), Lines(3));
        for (int n = 1; n < 5; n++) time.Advance(await time.NextTimerAsync());
        Assert.False(await import);
        Assert.Equal("0 imported, 0 already stored, 0 rejected\n", _output.ToString());
        Assert.Matches(
            "^the import ended at line 1: .*not you.*; it is safe to repeat it\n$",
            _errors.ToString());
    }

    [Fact]
    public async Task A_journal_that_is_full_ends_the_import_where_it_stood()
    {
        var full = new JournalBounds { BytesMax = 1 };
        await using var journal = MessageJournal.Open(
            _folder.Path, new ManualTime(), new RecordingLog(), full);
        Assert.False(await RunAsync(ImportTarget.Journal(journal), Lines(3)));
        Assert.Equal("0 imported, 0 already stored, 0 rejected\n", _output.ToString());
        Assert.Contains("ended at line 1: the journal is full", _errors.ToString());
    }

    private async Task RunsTwiceAsync(ImportBatch store)
    {
        string[] lines = Lines(2_500);
        lines[1_200] = "broken";
        string[] file = [.. lines, lines[0], .. Lines(1)];
        Assert.False(await RunAsync(store, file));
        Assert.False(await RunAsync(store, file));
        Assert.Equal(
            "2500 imported, 1 already stored, 1 rejected\n0 imported, 2501 already stored, 1 rejected\n",
            _output.ToString());
        string named = "line 1201: not a JSON object in one line\n";
        Assert.Equal(named + named, _errors.ToString());
    }

    private async Task FindsConflictsAsync(ImportBatch store)
    {
        string[] lines = Lines(3);
        Assert.True(await RunAsync(store, lines));
        // A message sent to two stores has two dates and is one message.
        string otherDate = lines[0].Replace("2022-10-29", "2023-01-01", StringComparison.Ordinal);
        string otherText = lines[1].Replace("message 1", "another", StringComparison.Ordinal);
        string[] fresh = Lines(1);
        string clash = fresh[0].Replace("message 0", "another", StringComparison.Ordinal);
        Assert.False(await RunAsync(store, [otherDate, otherText, .. fresh, clash, lines[2]]));
        Assert.EndsWith("\n1 imported, 2 already stored, 2 rejected\n", _output.ToString());
        Assert.Matches(
            "^line 2: id [0-9a-f]{24} is already taken by a different message\n"
            + "line 4: id [0-9a-f]{24} is already taken by a different message\n$",
            _errors.ToString());
    }

    private Task<bool> RunAsync(ImportBatch store, string[] lines) =>
        new Import(store, _output, _errors).RunAsync(
            new MemoryStream(Encoding.UTF8.GetBytes(string.Join('\n', lines))));

    private static string[] Lines(int count)
    {
        Func<StoredMessage, string> line = ListingFormat.For("json", null).Line;
        return [.. MongoMessages.Batch(count).Select(entry => line(entry.Message).TrimEnd('\n'))];
    }
}
