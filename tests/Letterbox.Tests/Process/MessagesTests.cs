// `letterbox messages` in a pipe, on a terminal, and while MongoDB is away.

using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Tests.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class MessagesTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Following_ends_at_the_first_message_after_its_reader()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        await journal.AppendAsync(Samples.Message("one"));
        await using LetterboxProcess pipeline = LetterboxProcess.Launch(
            ["messages", "--follow"], data: _folder.Path, under: Pipe("grep -m1 one; echo grep has ended"));
        await pipeline.Output.SeeAsync("grep has ended");
        await journal.AppendAsync(Samples.Message("two"));
        Assert.Equal(ExitStatus.Ok, await pipeline.EndedAsync());
    }

    [Fact]
    public async Task A_long_listing_ends_with_its_reader()
    {
        await using (MessageJournal journal = Samples.OpenJournal(_folder))
            await Samples.FillAsync(journal, 5_000);
        Finished end = await LetterboxProcess.RunAsync(
            ["messages", "--format", "json", "--follow"], data: _folder.Path, under: Pipe("head -n2"));
        Assert.Equal(ExitStatus.Ok, end.Status);
        Assert.Equal(2, end.Output.Count(static c => c == '\n'));
        Assert.Empty(end.Error);
    }

    [Fact]
    public async Task A_message_that_got_another_key_is_found_by_its_receipt()
    {
        Message message = Samples.Message("hello");
        await using (MessageJournal journal = Samples.OpenJournal(_folder))
        {
            await journal.AppendAsync(message);
            using JournalReader reader = JournalReader.Open(journal.Path);
            Assert.True(journal.Rekey(reader.ReadAfter(0), fresh: false, []).Succeeded);
        }

        Finished end = await LetterboxProcess.RunAsync(
            ["messages", "--format", "json", "--id", $"{message.Id}"], data: _folder.Path);
        Assert.Equal((ExitStatus.Ok, ""), (end.Status, end.Error));
        Assert.Contains($"\"id\":\"{TextKey.Of(message).Next}\"", end.Output);
    }

    [Theory]
    [InlineData(80, 31)]
    [InlineData(0, 31)]
    [InlineData(30, 20)]
    [InlineData(120, 71)]
    public async Task A_terminal_gets_one_line_for_each_message(int columns, int textColumns)
    {
        await using (MessageJournal journal = Samples.OpenJournal(_folder))
            await journal.AppendAsync(Samples.Message(new string('x', 500)));
        Finished end = await LetterboxProcess.RunAsync(
            ["messages"], data: _folder.Path, under: Terminal.Columns(columns));
        Assert.Equal(ExitStatus.Ok, end.Status);
        Assert.EndsWith($"  krabaton          {new string('x', textColumns - 1)}…\n", end.Output);
    }

    [Theory]
    [InlineData("table")]
    [InlineData("json")]
    [InlineData("csv")]
    public async Task A_terminal_is_not_controlled_by_a_message(string format)
    {
        await using (MessageJournal journal = Samples.OpenJournal(_folder))
            await journal.AppendAsync(Samples.Message("\u202e\u009b31m\u001b]0;x\u0007"));
        Finished end = await LetterboxProcess.RunAsync(
            ["messages", "--format", format], data: _folder.Path, under: Terminal.Columns(200));
        // What the runtime writes for itself comes before the listing.
        string listed = end.Output[end.Output.IndexOf("202", StringComparison.Ordinal)..];
        Assert.DoesNotContain(listed, static c => c is '\u202e' or '\u009b' or '\u0007' or '\u001b');
        Assert.Contains("202e", listed, StringComparison.Ordinal);
        Finished piped = await LetterboxProcess.RunAsync(["messages", "--format", "csv"], data: _folder.Path);
        Assert.Contains('\u202e', piped.Output);
    }

    [Fact]
    public async Task One_message_is_shown_whole_by_its_receipt_or_its_short_id()
    {
        Message message = Samples.Message("one\ntwo");
        await using (MessageJournal journal = Samples.OpenJournal(_folder))
        {
            await journal.AppendAsync(Samples.Message("another"));
            await journal.AppendAsync(message);
        }

        string id = message.Id.ToString();
        Finished table = await LetterboxProcess.RunAsync(["messages"], data: _folder.Path);
        string shortId = table.Output.Split('\n')[2].Split(' ')[0];
        foreach (string asked in (string[])[id, shortId])
        {
            Finished end = await LetterboxProcess.RunAsync(["messages", "--id", asked], data: _folder.Path);
            Assert.Equal(ExitStatus.Ok, end.Status);
            Assert.StartsWith($"id        {id}\ndate      2", end.Output);
            Assert.EndsWith("\nusername  krabaton\n\none\ntwo\n\n", end.Output);
        }

        string first = new('a', 24);
        Samples.Query(
            _folder.File("letterbox.db"), $"INSERT INTO rekeyed (old, new) VALUES ('{first}', '{id}')");
        Finished other = await LetterboxProcess.RunAsync(["messages", "--id", first], data: _folder.Path);
        Assert.StartsWith($"id        {id}\n", other.Output);

        Finished none = await LetterboxProcess.RunAsync(
            ["messages", "--id", "ffffffffffffffffffffffff"], data: _folder.Path);
        Assert.Equal(
            (ExitStatus.Failed, "", "letterbox: there is no message with that id\n"),
            (none.Status, none.Output, none.Error));
    }

    [Fact]
    public async Task The_journal_is_listed_while_mongodb_is_away()
    {
        await using (MessageJournal journal = Samples.OpenJournal(_folder))
            await journal.AppendAsync(Samples.Message("kept"));
        Dictionary<string, string> away = new()
        {
            ["LETTERBOX_MONGODB_URI"] = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100",
        };
        Finished end = await LetterboxProcess.RunAsync(["messages"], away, _folder.Path);
        // Incomplete: who pipes it into an import must not take it for everything.
        Assert.Equal(ExitStatus.Failed, end.Status);
        Assert.Contains("  kept\n", end.Output, StringComparison.Ordinal);
        Assert.Matches(
            "^letterbox: cannot read from MongoDB: .*; listing the journal, .* in the last 7d\n$", end.Error);

        end = await LetterboxProcess.RunAsync(["messages", "--journal"], away, _folder.Path);
        Assert.Equal((ExitStatus.Ok, ""), (end.Status, end.Error));
        Assert.Contains("  kept\n", end.Output, StringComparison.Ordinal);

        using var nowhere = new TempFolder();
        end = await LetterboxProcess.RunAsync(["messages"], away, nowhere.Path);
        Assert.Equal((ExitStatus.Failed, ""), (end.Status, end.Output));
        Assert.StartsWith("letterbox: cannot read from MongoDB: ", end.Error, StringComparison.Ordinal);
    }

    // The status is that of letterbox, not of its reader.
    private static string[] Pipe(string reader) =>
        ["bash", "-c", $"\"$0\" \"$@\" | {{ {reader}; }}; exit ${{PIPESTATUS[0]}}"];
}
