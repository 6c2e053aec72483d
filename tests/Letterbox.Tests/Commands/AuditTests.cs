// `letterbox audit` over a real journal and the real driver.

using System.Globalization;
using Letterbox.Commands;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;
using Letterbox.Tests.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Commands;

public sealed class AuditTests : IAsyncLifetime
{
    private readonly TempFolder _folder = new();
    private readonly ManualTime _time = new();
    private readonly ScriptedMongo _server = new();
    private MessageJournal _journal = null!;
    private MongoStore _mongo = null!;

    public ValueTask InitializeAsync()
    {
        _journal = Samples.OpenJournal(_folder, _time);
        _mongo = MongoStore.Open($"{_server.Uri}&serverSelectionTimeoutMS=4000", "letterbox", "messages");
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        _mongo.Dispose();
        await _journal.DisposeAsync();
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task There_is_no_finding_when_everything_delivered_is_there()
    {
        await Samples.FillAsync(_journal, 2500);
        Deliver(upTo: 2400);
        Assert.Equal((true,
            """
            journal: 2500 messages; 0 damaged, 0 illegal
            MongoDB: 2400 delivered, of these 0 in quarantine, 100 to be delivered; 0 missing, 0 different
            MongoDB since 2022-10-29 20:20:58.020261: 2400 documents; 0 extra

            """), Run());
    }

    [Fact]
    public async Task What_mongodb_has_lost_is_missing()
    {
        Message[] messages = await Samples.FillAsync(_journal, 3);
        Deliver(upTo: 3);
        _server.Lose("letterbox", "messages", document => (string)document["message"]! == "message 2");
        (bool clean, string output) = Run();
        Assert.False(clean);
        Assert.StartsWith(
            $"missing    {messages[1].Id}  2022-10-29 20:20:58.020261  krabaton\n", output);
        Assert.Contains("1 missing, 0 different", output);
    }

    [Fact]
    public async Task What_is_in_quarantine_is_missing_with_its_reason()
    {
        await Samples.FillAsync(_journal, 1);
        Assert.True(_journal.MarkDelivered(0, 1, [(1, "too large")]).Succeeded);
        (bool clean, string output) = Run();
        Assert.False(clean);
        Assert.Contains("krabaton  in quarantine: too large\n", output);
        Assert.Contains("1 delivered, of these 1 in quarantine", output);
    }

    [Theory]
    [InlineData("username", "username")]
    [InlineData("message", "message")]
    [InlineData("all", "username message")]
    public async Task What_has_another_content_is_different(string what, string reported)
    {
        Message message = (await Samples.FillAsync(_journal, 1))[0];
        string Other(string field, string value) => what == field || what == "all" ? $"{value}!" : value;
        _server.Put("letterbox", "messages", Document(
            message.Id, Other("date", "2022-10-29 20:20:58.020261"), Other("username", "krabaton"),
            Other("message", "message 1")));
        // What is to be delivered gets another key.
        Assert.True(Run().Clean);
        Assert.True(_journal.MarkDelivered(0, 1, []).Succeeded);
        (bool clean, string output) = Run();
        Assert.False(clean);
        Assert.StartsWith("different  ", output);
        Assert.Contains($"krabaton  {reported}\n", output);
    }

    [Fact]
    public async Task Extra_is_what_is_younger_than_the_journal_and_not_in_it()
    {
        MessageKey older = Put("2022-10-29 20:20:58.020260");
        await Samples.FillAsync(_journal, 1);
        Deliver(upTo: 1);
        MessageKey younger = Put("2022-10-29 20:20:58.020261");
        (bool clean, string output) = Run();
        Assert.False(clean);
        Assert.StartsWith($"extra      {younger}  2022-10-29 20:20:58.020261  \\u{{1b}}[2J\n", output);
        Assert.DoesNotContain($"{older}", output);
        Assert.Contains("2 documents; 1 extra", output);
        (clean, output) = Run(extra: false);
        Assert.True(clean);
        Assert.DoesNotContain("extra", output);
    }

    [Fact]
    public async Task What_was_purged_is_not_extra_even_if_the_clock_went_back_an_hour_since()
    {
        await Samples.FillAsync(_journal, 2);
        Deliver(upTo: 2);
        Assert.True(_journal.Purge(TimeSpan.Zero, CancellationToken.None).Succeeded);
        _time.Advance(-TimeSpan.FromMinutes(59));
        await Samples.FillAsync(_journal, 1);
        Deliver(upTo: 3);
        Assert.Equal(["message 1"], Samples.Texts(_journal));
        Assert.True(Run().Clean);
        _time.Advance(TimeSpan.FromHours(2));
        Assert.True(_journal.Purge(TimeSpan.Zero, CancellationToken.None).Succeeded);
        (bool clean, string output) = Run();
        Assert.True(clean);
        // An empty journal can say nothing of what MongoDB has.
        Assert.DoesNotContain("extra", output);
    }

    [Fact]
    public async Task What_was_purged_is_not_extra_after_an_older_message_came_back_from_quarantine()
    {
        Message poison = (await Samples.FillAsync(_journal, 1))[0];
        Assert.True(_journal.MarkDelivered(0, 1, [(1, "too large")]).Succeeded);
        _time.Advance(TimeSpan.FromDays(1));
        await Samples.FillAsync(_journal, 3);
        _time.Advance(TimeSpan.FromDays(1));
        Deliver(upTo: 4);
        _time.Advance(TimeSpan.FromDays(8));
        Assert.Empty(Quarantine.Retry(_journal.Path, [poison.Id]));
        Assert.True(_journal.ReleaseFromQuarantine().Succeeded);
        Deliver(upTo: 5);
        AssertPurgedIsNotExtra();
    }

    [Fact]
    public async Task What_was_purged_is_not_extra_after_an_older_message_was_imported()
    {
        await Samples.FillAsync(_journal, 3);
        _time.Advance(TimeSpan.FromDays(1));
        Deliver(upTo: 3);
        _time.Advance(TimeSpan.FromDays(8));
        await _journal.ImportAsync(Samples.Message("old"), new DateTime(2001, 2, 3));
        Deliver(upTo: 4);
        AssertPurgedIsNotExtra();
    }

    [Fact]
    public async Task Without_mongodb_the_journal_itself_is_checked()
    {
        await Samples.FillAsync(_journal, 3);
        Assert.Equal((true,
            """
            journal: 3 messages; 0 damaged, 0 illegal
            MongoDB is not configured: only the journal was checked

            """), Run(compare: false));
        Samples.Query(_journal.Path, "UPDATE messages SET username = '' WHERE seq = 2");
        Samples.Query(_journal.Path, "UPDATE messages SET date = 'today' WHERE seq = 3");
        (bool clean, string output) = Run(compare: false);
        Assert.False(clean);
        Assert.Contains("username is empty\n", output);
        Assert.Contains("the date is invalid\n", output);
        Assert.Contains("2 illegal", output);
    }

    [Fact]
    public async Task A_damaged_row_is_named_and_the_rest_is_compared()
    {
        await Samples.FillAsync(_journal, 3);
        Deliver(upTo: 3);
        Samples.Query(_journal.Path, "UPDATE messages SET id = 'none' WHERE seq = 1");
        (bool clean, string output) = Run();
        Assert.False(clean);
        Assert.StartsWith(
            $"damaged    the journal {_journal.Path} is damaged: row 1 cannot be read\n", output);
        Assert.Contains("journal: 2 messages; 1 damaged, 0 illegal\nMongoDB: 2 delivered", output);
    }

    [Fact]
    public async Task A_damaged_index_is_found()
    {
        await Samples.FillAsync(_journal, 3);
        Samples.Query(_journal.Path, """
            PRAGMA writable_schema = 1;
            UPDATE sqlite_schema SET rootpage = (
              SELECT rootpage FROM sqlite_schema WHERE name = 'quarantine') WHERE name = 'deliveries';
            """);
        (bool clean, string output) = Run(compare: false);
        Assert.False(clean);
        Assert.StartsWith("damaged    ", output);
    }

    [Fact]
    public async Task Mongodb_that_fails_in_the_middle_is_reported()
    {
        await Samples.FillAsync(_journal, 3);
        Deliver(upTo: 3);
        _server.Down();
        StoreException failure = Assert.Throws<StoreException>(() => Run());
        Assert.StartsWith("cannot read from MongoDB: ", failure.Message);
    }

    // One message is left, and what is younger than the purge is extra still.
    private void AssertPurgedIsNotExtra()
    {
        Assert.True(_journal.Purge(TimeSpan.FromDays(7), CancellationToken.None).Succeeded);
        Assert.Single(Samples.Texts(_journal));
        (bool clean, string output) = Run();
        Assert.True(clean, output);
        DateTimeOffset now = _time.GetLocalNow();
        MessageKey extra = Put(now.ToString(StoredMessage.DateFormat, CultureInfo.InvariantCulture));
        (clean, output) = Run();
        Assert.False(clean);
        Assert.StartsWith($"extra      {extra}", output);
    }

    private void Deliver(long upTo)
    {
        using JournalReader reader = JournalReader.Open(_journal.Path);
        long watermark = reader.ReadWatermark();
        JournalEntry[] batch = [.. ReadAll(reader, watermark).TakeWhile(entry => entry.Sequence <= upTo)];
        Assert.True(_mongo.Insert(batch).Stored);
        Assert.True(_journal.MarkDelivered(watermark, upTo, []).Succeeded);
    }

    private static IEnumerable<JournalEntry> ReadAll(JournalReader reader, long after)
    {
        while (reader.ReadAfter(after) is { Count: > 0 } page)
        {
            foreach (JournalEntry entry in page) yield return entry;
            after = page[^1].Sequence;
        }
    }

    private MessageKey Put(string date)
    {
        var id = MessageKey.New(TimeProvider.System);
        _server.Put("letterbox", "messages", Document(id, date, "\u001b[2J", "not ours"));
        return id;
    }

    private static MongoDoc Document(MessageKey id, string date, string username, string text) =>
        new() { { "_id", id }, { "date", date }, { "username", username }, { "message", text } };

    private (bool Clean, string Output) Run(bool compare = true, bool extra = true)
    {
        using JournalReader reader = JournalReader.Open(_journal.Path);
        using var output = new StringWriter { NewLine = "\n" };
        bool clean =
            new Audit(reader, output).RunAsync(compare ? _mongo : null, extra).GetAwaiter().GetResult();
        return (clean, output.ToString());
    }
}
