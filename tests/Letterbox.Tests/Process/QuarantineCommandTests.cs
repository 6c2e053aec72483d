// `letterbox quarantine` on the journal of a store process that runs.

using System.Text.Json;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Process;

public sealed class QuarantineCommandTests : IAsyncDisposable
{
    private readonly ScriptedMongo _mongo = new();
    private readonly TempFolder _folder = new();

    public async ValueTask DisposeAsync()
    {
        await _mongo.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task What_mongodb_refuses_is_listed_sent_again_and_dropped()
    {
        _mongo.Next("insert", MongoFault.Reject((0, 121)), MongoFault.Reject((0, 121)));
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(
            ["store"], new() { ["LETTERBOX_MONGODB_URI"] = _mongo.ImpatientUri }, _folder.Path);
        Message first = await SendAsync(store, "first"), second = await SendAsync(store, "second");

        Finished list = await RunAsync("quarantine list");
        Assert.Equal(ExitStatus.Ok, list.Status);
        Assert.Matches(
            $@"^id +since +reason\n{first.Id}  [-0-9]+ [:0-9]+  scripted 121 \(MongoDB 121\); from ann\n"
            + $"{second.Id}  .*\n$",
            list.Output);
        list = await RunAsync("quarantine list --format json");
        using var json = JsonDocument.Parse(list.Output.Split('\n')[1]);
        Assert.Equal(
            ("second", "scripted 121 (MongoDB 121)"),
            (Field(json, "message"), Field(json, "reason")));

        Finished retry = await RunAsync($"quarantine retry {first.Id}");
        Assert.Equal((ExitStatus.Ok, ""), (retry.Status, retry.Error));
        Assert.StartsWith("1 message will be sent", retry.Output);
        await Eventually.IsAsync(() => _mongo.Stored("letterbox", "messages").Count == 1);

        Finished drop = await RunAsync($"quarantine drop {second.Id}");
        Assert.Equal((ExitStatus.Ok, ""), (drop.Status, drop.Error));
        using var dropped = JsonDocument.Parse(drop.Output);
        Assert.Equal("second", Field(dropped, "message"));
        drop = await RunAsync($"quarantine drop {second.Id}");
        Assert.Equal((ExitStatus.Failed, ""), (drop.Status, drop.Output));
        Assert.Equal($"letterbox: nothing was changed: not in quarantine: {second.Id}\n", drop.Error);
        Assert.Equal(["ann|first"], JournalRows.Messages(_folder.Path));
        Assert.Equal("nothing is in quarantine\n", (await RunAsync("quarantine retry --all")).Output);
    }

    [Fact]
    public async Task A_damaged_row_is_named_and_the_rest_is_listed()
    {
        await using (MessageJournal journal = MessageJournal.Open(
            _folder.Path, TimeProvider.System, NullLogger.Instance))
        {
            for (int n = 0; n < 2; n++) await journal.AppendAsync(Texts.Message("ann", $"hello {n}"));
            Assert.True(journal.MarkDelivered(0, 2, [(1, "damaged"), (2, "too large")]).Succeeded);
            journal.Writer.Connection!.Execute("UPDATE messages SET id = 'none' WHERE seq = 1");
        }

        Finished list = await RunAsync("quarantine list");
        Assert.Equal(ExitStatus.Failed, list.Status);
        Assert.Matches("^id +since +reason\n.* too large; from ann\n$", list.Output);
        Assert.EndsWith("is damaged: row 1 cannot be read\n", list.Error);
    }

    [Theory]
    [InlineData("quarantine retry", "expected the ids of messages, or --all")]
    [InlineData("quarantine retry --all 635d8a1a9c3e5f0011223344", "expected the ids of messages, or --all")]
    [InlineData("quarantine drop", "drop")]
    [InlineData("quarantine drop all", "id is \"all\": expected 24 hexadecimal digits")]
    [InlineData("quarantine list --format csv", "csv")]
    public async Task A_wrong_command_line_is_named(string line, string named)
    {
        Finished end = await RunAsync(line);
        Assert.Equal((ExitStatus.Usage, ""), (end.Status, end.Output));
        Assert.Contains(named, end.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("quarantine list")]
    [InlineData("quarantine retry --all")]
    [InlineData("quarantine drop 635d8a1a9c3e5f0011223344")]
    public async Task A_journal_that_is_not_there_is_named(string line)
    {
        Finished end = await RunAsync(line);
        Assert.Equal((ExitStatus.Failed, ""), (end.Status, end.Output));
        Assert.Contains("there is no journal at", end.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("quarantine list")]
    [InlineData("quarantine list --format json")]
    [InlineData("quarantine drop ID")]
    public async Task What_cannot_be_written_out_is_a_failure_and_stays(string line)
    {
        Message message = Texts.Message("ann", "refused");
        await using (var journal = MessageJournal.Open(
            _folder.Path, TimeProvider.System, NullLogger.Instance))
        {
            await journal.AppendAsync(message);
            Assert.True(journal.MarkDelivered(0, 1, [(1, "too large")]).Succeeded);
        }

        string[] onFullDisk = ["sh", "-c", "exec \"$0\" \"$@\" >/dev/full"];
        string command = line.Replace("ID", $"{message.Id}", StringComparison.Ordinal);
        await using LetterboxProcess quarantine = LetterboxProcess.Launch(
            command.Split(' '), data: _folder.Path, under: onFullDisk);
        Assert.Equal(ExitStatus.Failed, await quarantine.EndedAsync());
        Assert.Equal(
            "letterbox: cannot write to standard output: No space left on device\n", quarantine.Error.Text);
        Assert.Equal(["ann|refused"], JournalRows.Messages(_folder.Path));
        Finished list = await RunAsync("quarantine list");
        Assert.Contains($"{message.Id}", list.Output, StringComparison.Ordinal);
    }

    private Task<Finished> RunAsync(string line) =>
        LetterboxProcess.RunAsync(line.Split(' '), data: _folder.Path);

    private static string? Field(JsonDocument line, string name) =>
        line.RootElement.GetProperty(name).GetString();

    // Sends a message, and waits until MongoDB has refused it.
    private static async Task<Message> SendAsync(LetterboxProcess store, string text)
    {
        Message message = Texts.Message("ann", text);
        Receipt receipt = await StoreLink.SendOnceAsync([store.Socket], message, TimeSpan.FromSeconds(30));
        Assert.Equal(Receipt.Stored(message.Id), receipt);
        await store.Error.SeeAsync($"MongoDB rejects message {message.Id}: scripted 121");
        return message;
    }
}
