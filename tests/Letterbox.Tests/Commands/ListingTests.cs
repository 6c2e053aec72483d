// `letterbox messages`: the three formats, following, and what ends it.

using System.Text.Json;
using Letterbox.Commands;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;
using Letterbox.Tests.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Commands;

public sealed class ListingTests : IDisposable
{
    private const string Date = "2022-10-29 20:20:58.020261";
    private static readonly MessageKey s_id = Parse("635d8a1a9c3e5f0011223344");

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_table_aligns_its_columns_and_widens_for_longer_names()
    {
        ListingFormat table = ListingFormat.For("table", int.MaxValue);
        Assert.Equal("date                        username      message\n", table.Head);
        Assert.Equal($"{Date}  krabaton      First message\n", table.Line(Stored("First message")));
        Assert.Equal($"{Date}  Василиса      Привет\n", table.Line(Stored("Привет", "Василиса")));
        Assert.Equal($"{Date}  日本語        📬\n", table.Line(Stored("📬", "日本語")));
        Assert.Equal($"{Date}  a long user name  x\n", table.Line(Stored("x", "a long user name")));
        Assert.Equal($"{Date}  krabaton          y\n", table.Line(Stored("y")));
    }

    [Theory]
    [InlineData("a\r\nb\nc\td", @"a\r\nb\nc\td")]
    [InlineData("\u001b[2J\0\u0085\u009b", @"\u{1b}[2J\u{0}\u{85}\u{9b}")]
    [InlineData("\u202Eabc\u2028\u2029\uFEFF", @"\u{202e}abc\u{2028}\u{2029}\u{feff}")]
    [InlineData("👨‍👩‍👧 e\u0301 \"quoted\"", "👨‍👩‍👧 e\u0301 \"quoted\"")]
    public void A_table_shows_what_would_act_on_the_terminal(string text, string shown)
    {
        string line = ListingFormat.For("table", int.MaxValue).Line(Stored(text));
        Assert.Equal($"{Date}  krabaton      {shown}\n", line);
    }

    [Theory]
    [InlineData("123456", 48, "123456")]
    [InlineData("1234567", 48, "12345…")]
    [InlineData("日本語", 48, "日本語")]
    [InlineData("日本語字", 48, "日本…")]
    [InlineData("1日本語", 48, "1日本…")]
    public void A_table_is_cut_to_the_terminal(string text, int columns, string shown)
    {
        string line = ListingFormat.For("table", columns).Line(Stored(text));
        Assert.Equal($"{Date}  krabaton      {shown}\n", line);
    }

    [Theory]
    [InlineData("First message")]
    [InlineData("\0\u0001\u001f\u007f\u0085\r\n\t\"\\/<>&'+")]
    [InlineData("Привет 📬 \u2028\u2029")]
    public void Json_is_one_object_a_line_without_control_characters(string text)
    {
        string line = ListingFormat.For("json", 0).Line(Stored(text));
        Assert.EndsWith("}\n", line, StringComparison.Ordinal);
        Assert.DoesNotContain(line[..^1], static c => char.IsControl(c) || c is '\u2028' or '\u2029');
        using JsonDocument json = JsonDocument.Parse(line);
        Assert.Equal(
            [("id", s_id.ToString()), ("date", Date), ("username", "krabaton"), ("message", text)],
            json.RootElement.EnumerateObject().Select(static p => (p.Name, p.Value.GetString()!)));
    }

    [Fact]
    public void Json_leaves_letters_as_they_are() => Assert.Equal(
        $$"""
        {"id":"{{s_id}}","date":"{{Date}}","username":"krabaton","message":"Привет, <мир> & 'друзья'"}

        """,
        ListingFormat.For("json", 0).Line(Stored("Привет, <мир> & 'друзья'")));

    [Theory]
    [InlineData("First message", "First message")]
    [InlineData("a,b", "\"a,b\"")]
    [InlineData("say \"hi\"", "\"say \"\"hi\"\"\"")]
    [InlineData("two\r\nlines", "\"two\r\nlines\"")]
    [InlineData("two\nlines", "\"two\nlines\"")]
    public void Csv_quotes_what_needs_it_and_keeps_line_breaks(string text, string field)
    {
        ListingFormat csv = ListingFormat.For("csv", 0);
        Assert.Equal("id,date,username,message\r\n", csv.Head);
        Assert.Equal($"{s_id},{Date},krabaton,{field}\r\n", csv.Line(Stored(text)));
    }

    [Fact]
    public async Task The_journal_is_listed_oldest_first_while_its_owner_is_at_work()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        Message[] messages = await Samples.FillAsync(journal, 1200);
        using var output = new StringWriter();
        Assert.Equal(ExitStatus.Ok, await ListAsync(new Settings { Data = _folder.Path }, "csv", output));
        Assert.Equal(
            ["id,date,username,message", .. messages.Select(static m => $"{m.Id},{Date},krabaton,{m.Text}"),
                ""],
            output.ToString().Split("\r\n"));
    }

    [Fact]
    public async Task A_missing_journal_is_a_failure()
    {
        Finished end = await LetterboxProcess.RunAsync(["messages"], data: _folder.File("nowhere"));
        Assert.Equal((ExitStatus.Failed, ""), (end.Status, end.Output));
        Assert.StartsWith("letterbox: ", end.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Following_writes_each_new_message_once_until_it_is_stopped()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        await journal.AppendAsync(Samples.Message("one"));
        var time = new ManualTime();
        using JournalReader reader = JournalReader.Open(journal.Path);
        using var output = new StringWriter();
        using var stop = new CancellationTokenSource();
        Task listing = MessagesCommand.ListAsync(
            reader, ListingFormat.For("csv", 0), true, output, time, stop.Token);
        TimeSpan poll = await time.NextTimerAsync();
        Assert.Equal(["one"], Listed(output));

        await journal.AppendAsync(Samples.Message("two"));
        await journal.AppendAsync(Samples.Message("three"));
        time.Advance(poll);
        await time.NextTimerAsync();
        Assert.Equal(["one", "two", "three"], Listed(output));
        time.Advance(poll);
        await time.NextTimerAsync();
        Assert.Equal(["one", "two", "three"], Listed(output));

        await stop.CancelAsync();
        await listing;
    }

    [Theory]
    [InlineData("--format", "table")]
    [InlineData("--format", "json")]
    [InlineData("--format", "csv")]
    [InlineData("--follow")]
    public async Task What_cannot_be_written_out_is_a_failure(params string[] how)
    {
        await using (MessageJournal journal = Samples.OpenJournal(_folder))
            await Samples.FillAsync(journal, 10);
        string[] onFullDisk = ["sh", "-c", "exec \"$0\" \"$@\" >/dev/full"];
        await using LetterboxProcess listing = LetterboxProcess.Launch(
            ["messages", .. how], data: _folder.Path, under: onFullDisk);
        Assert.Equal(ExitStatus.Failed, await listing.EndedAsync());
        Assert.Matches("^letterbox: No space left on device.*\n$", listing.Error.Text);
    }

    [Fact]
    public async Task A_database_that_fails_in_the_middle_is_reported_after_what_was_listed()
    {
        await using var server = new ScriptedMongo { PageMax = 10 };
        var settings = new Settings { Data = _folder.Path, MongoUri = server.ImpatientUri };
        using MongoStore store = MongoStore.Open(server.Uri, "letterbox", "messages");
        Assert.True(store.Insert(MongoMessages.Batch(30)).Stored);
        server.Next("getMore", MongoFault.CommandError(96, "operation failed"));
        using var output = new StringWriter();
        await Assert.ThrowsAsync<StoreException>(() => ListAsync(settings, "json", output));
        Assert.InRange(CountLines(output), 10, 29);
    }

    [Fact]
    public async Task A_damaged_row_is_reported_and_all_others_are_listed()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        await Samples.FillAsync(journal, 1500);
        Samples.Query(journal.Path, "UPDATE messages SET id = 'none' WHERE seq = 1200");
        using var output = new StringWriter();
        int status = await ListAsync(new Settings { Data = _folder.Path }, "json", output);
        Assert.Equal((ExitStatus.Failed, 1499), (status, CountLines(output)));
    }

    private static Task<int> ListAsync(Settings settings, string format, StringWriter output) =>
        MessagesCommand.ListAsync(settings, ListingFormat.For(format, 80), follow: false, output, default);

    private static int CountLines(StringWriter output) => output.ToString().Count(static c => c == '\n');

    private static StoredMessage Stored(string text, string username = "krabaton") =>
        new(s_id, Date, username, text);

    private static IEnumerable<string> Listed(StringWriter output) =>
        output.ToString().Split("\r\n")[1..^1].Select(static line => line.Split(',')[3]);

    private static MessageKey Parse(string hex) =>
        MessageKey.TryParse(hex, out MessageKey id) ? id : throw new FormatException();
}
