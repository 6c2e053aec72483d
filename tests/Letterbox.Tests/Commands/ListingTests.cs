// `letterbox messages`: the three formats, following, and what ends it.

using System.Globalization;
using System.Text;
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

    private const string Start = "11223344  2022-10-29 20:20:58  ";

    [Fact]
    public void A_table_aligns_its_columns()
    {
        ListingFormat table = ListingFormat.For("table", null);
        Assert.Equal("id        date                 username          message\n", table.Head);
        Assert.Equal($"{Start}krabaton          First message\n", table.Line(Stored("First message")));
        Assert.Equal($"{Start}Василиса          Привет\n", table.Line(Stored("Привет", "Василиса")));
        Assert.Equal($"{Start}日本語            📬\n", table.Line(Stored("📬", "日本語")));
        Assert.Equal($"{Start}a long name of a user  x\n", table.Line(Stored("x", "a long name of a user")));
        Assert.Equal($"{Start}krabaton          y\n", table.Line(Stored("y")));
    }

    [Theory]
    [InlineData("a\r\nb\nc\td", @"a\r\nb\nc\td")]
    [InlineData("\u001b[2J\0\u0085\u009b", @"\u{1b}[2J\u{0}\u{85}\u{9b}")]
    [InlineData("\u202Eabc\u2028\u2029\uFEFF", @"\u{202e}abc\u{2028}\u{2029}\u{feff}")]
    [InlineData("👨‍👩‍👧 e\u0301 \"quoted\"", "👨‍👩‍👧 e\u0301 \"quoted\"")]
    public void A_table_shows_what_would_act_on_the_terminal(string text, string shown)
    {
        string line = ListingFormat.For("table", null).Line(Stored(text));
        Assert.Equal($"{Start}krabaton          {shown}\n", line);
    }

    [Theory]
    [InlineData("1234567890123456789012345678901", 80, "1234567890123456789012345678901")]
    [InlineData("12345678901234567890123456789012", 80, "123456789012345678901234567890…")]
    [InlineData("日本語字日本語字日本語字日本語字日本", 80, "日本語字日本語字日本語字日本語…")]
    [InlineData("123456789012345678901", 20, "1234567890123456789…")]
    public void A_table_is_cut_to_the_terminal_and_leaves_columns_for_the_text(
        string text, int columns, string shown)
    {
        ListingFormat table = ListingFormat.For("table", columns);
        Assert.Equal($"{Start}krabaton          {shown}\n", table.Line(Stored(text)));
        string name = new('n', 64);
        Assert.Equal($"{Start}{name[..15]}…  {shown}\n", table.Line(Stored(text, name)));
    }

    [Theory]
    [InlineData("json")]
    [InlineData("csv")]
    [InlineData("table")]
    [InlineData("whole")]
    public void A_terminal_gets_no_control_and_no_direction_characters(string format)
    {
        const string hostile = "\u001b]0;x\u0007\u009b\u202e\u2066\u200f\ufeff\u2028\U000E0041 text";
        ListingFormat lines = format == "whole" ? ListingFormat.Whole : ListingFormat.For(format, 200);
        string shown = lines.Head + lines.Line(Stored(hostile, hostile) with { Date = hostile });
        foreach (Rune rune in shown.EnumerateRunes())
        {
            bool acts = Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
                or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
            Assert.True(!acts || rune.Value is '\n' or '\r', $"U+{rune.Value:X4}");
        }

        Assert.Contains("202e", shown, StringComparison.Ordinal);
        if (format != "json") return;
        using JsonDocument json = JsonDocument.Parse(shown);
        Assert.Equal(hostile, json.RootElement.GetProperty("message").GetString());
    }

    [Fact]
    public void A_message_without_a_date_is_listed() => Assert.EndsWith(
        "text\n",
        ListingFormat.For("table", null).Line(Stored("text") with { Date = "" }),
        StringComparison.Ordinal);

    [Fact]
    public void A_whole_message_has_its_lines_and_every_field() => Assert.Equal(
        $"id        {s_id}\ndate      {Date}\nusername  ann\n\none\ntwo\n\n  three\\u{{1b}}\n\n",
        ListingFormat.Whole.Line(Stored("one\r\ntwo\n\n  three\u001b", "ann")));

    [Theory]
    [InlineData("First message")]
    [InlineData("\0\u0001\u001f\u007f\u0085\r\n\t\"\\/<>&'+")]
    [InlineData("Привет 📬 \u2028\u2029")]
    public void Json_is_one_object_a_line_without_control_characters(string text)
    {
        string line = ListingFormat.For("json", null).Line(Stored(text));
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
        ListingFormat.For("json", null).Line(Stored("Привет, <мир> & 'друзья'")));

    [Theory]
    [InlineData("First message", "First message")]
    [InlineData("a,b", "\"a,b\"")]
    [InlineData("say \"hi\"", "\"say \"\"hi\"\"\"")]
    [InlineData("two\r\nlines", "\"two\r\nlines\"")]
    [InlineData("two\nlines", "\"two\nlines\"")]
    [InlineData("=1+1", "'=1+1")]
    [InlineData("+1", "'+1")]
    [InlineData("-1", "'-1")]
    [InlineData("@SUM(A1)", "'@SUM(A1)")]
    [InlineData("\t=1", "'\t=1")]
    [InlineData("\r=1", "\"'\r=1\"")]
    [InlineData("＝1", "'＝1")]
    [InlineData("'=1", "''=1")]
    [InlineData("'tis", "''tis")]
    [InlineData("a=1", "a=1")]
    public void Csv_quotes_what_needs_it_keeps_line_breaks_and_holds_no_formula(string text, string field)
    {
        ListingFormat csv = ListingFormat.For("csv", null);
        Assert.Equal("\uFEFFid,date,username,message\r\n", csv.Head);
        Assert.Equal($"{s_id},{Date},krabaton,{field}\r\n", csv.Line(Stored(text)));
    }

    [Fact]
    public async Task The_journal_is_listed_oldest_first_while_its_owner_is_at_work()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        Message[] messages = await Samples.FillAsync(journal, 1200);
        using var output = new StringWriter();
        Assert.Equal(ExitStatus.Ok, await ListAsync(new Settings { Data = _folder.Path }, "csv", output));
        string[] lines = [.. messages.Select(static m => $"{m.Id},{Date},krabaton,{m.Text}")];
        Assert.Equal(
            ["\uFEFFid,date,username,message", .. lines, ""], output.ToString().Split("\r\n"));
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
        Task listing = new MessagesCommand.Listing(
            new MessageFilter(), ListingFormat.For("csv", null), follow: true, output)
            .RunAsync(reader, time, stop.Token);
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
        Assert.Equal(
            "letterbox: cannot write to standard output: No space left on device\n", listing.Error.Text);
    }

    [Fact]
    public async Task A_database_that_fails_in_the_middle_is_reported_after_what_was_listed()
    {
        await using var server = new ScriptedMongo { PageMax = 10 };
        var settings = new Settings { Data = _folder.Path, MongoUri = server.Uri };
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

    [Theory]
    [InlineData("--since", "2022-10-29 20:21", "two three")]
    [InlineData("--until", "2022-10-29 20:21", "one")]
    [InlineData("--search", "TWO", "two")]
    [InlineData("--search", "ЖУК", "three")]
    [InlineData("--limit", "2", "two three")]
    [InlineData("--limit", "9", "one two three")]
    [InlineData("--id", "635d8a1a9c3e5f0000000002", "two")]
    [InlineData("--id", "00000002", "two")]
    [InlineData("--id", "635D8A1A9C3E5F0000000003", "three")]
    public void A_filter_chooses(string option, string value, string expected)
    {
        string? Only(string name) => option == name ? value : null;
        int? limit = option == "--limit" ? value[0] - '0' : null;
        var filter = MessageFilter.Read(
            Only("--id"), Only("--since"), Only("--until"), Only("--search"), limit);
        using var output = new StringWriter();
        var listing = new MessagesCommand.Listing(
            filter, ListingFormat.For("csv", null), follow: false, output);
        Assert.True(listing.RunAsync(new Three(), TimeProvider.System, default).IsCompletedSuccessfully);
        Assert.Equal(expected.Split(' '), Listed(output));
    }

    [Theory]
    [InlineData("--id", "nothex")]
    [InlineData("--id", "12345")]
    [InlineData("--since", "yesterday")]
    [InlineData("--until", "soon")]
    public void A_filter_that_cannot_be_read_is_named(string option, string value)
    {
        string? Only(string name) => option == name ? value : null;
        string failure = Assert.Throws<SettingsException>(() => MessageFilter.Read(
            Only("--id"), Only("--since"), Only("--until"), Only("--search"), null)).Message;
        Assert.StartsWith($"{option} is \"{value}\": expected ", failure, StringComparison.Ordinal);
    }

    private sealed class Three : IStoredMessages
    {
        public IEnumerable<StoredMessage> ReadAll() =>
        [
            new(Parse("635d8a1a9c3e5f0000000001"), "2022-10-29 20:20:59.999999", "ann", "one"),
            new(Parse("635d8a1a9c3e5f0000000002"), "2022-10-29 20:21:00.000000", "ann", "two"),
            new(Parse("635d8a1a9c3e5f0000000003"), "2022-10-29 20:22:00.000000", "жук", "three"),
        ];

        public IEnumerable<StoredMessage> ReadNew() => [];

        public void Dispose()
        {
            // Nothing is open.
        }
    }

    private static Task<int> ListAsync(Settings settings, string format, StringWriter output) =>
        MessagesCommand.ListAsync(
            settings,
            new MessagesCommand.Listing(
                new MessageFilter(), ListingFormat.For(format, null), follow: false, output),
            default);

    private static int CountLines(StringWriter output) => output.ToString().Count(static c => c == '\n');

    private static StoredMessage Stored(string text, string username = "krabaton") =>
        new(s_id, Date, username, text);

    private static IEnumerable<string> Listed(StringWriter output) =>
        output.ToString().Split("\r\n")[1..^1].Select(static line => line.Split(',')[3]);

    private static MessageKey Parse(string hex) =>
        MessageKey.TryParse(hex, out MessageKey id) ? id : throw new FormatException();
}
