// `letterbox import` as a person uses it: from one store into another, by one line.

using System.Text;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Process;

public sealed class ImportTests : IDisposable
{
    private readonly TempFolder _from = new();
    private readonly TempFolder _to = new();

    public void Dispose()
    {
        _from.Dispose();
        _to.Dispose();
    }

    [Fact]
    public async Task From_a_journal_to_mongodb_to_a_journal_nothing_changes()
    {
        await LeaveEveryTextAsync();
        await using var mongo = new ScriptedMongo();
        Dictionary<string, string> there = new() { ["LETTERBOX_MONGODB_URI"] = mongo.Uri };
        string count = $"{Texts.Legal.Count}";

        string first = await ListAsync(data: _from.Path);
        Finished moved = await ImportAsync(first, variables: there);
        Assert.Equal($"{count} imported, 0 already stored, 0 rejected\n", moved.Output);
        string second = await ListAsync(variables: there);
        Assert.Equal(Sorted(first), Sorted(second));

        Finished back = await ImportAsync(second, data: _to.Path);
        Assert.Equal($"{count} imported, 0 already stored, 0 rejected\n", back.Output);
        Assert.Equal(second, await ListAsync(data: _to.Path));

        Finished again = await ImportAsync(second, data: _to.Path);
        Assert.Equal($"0 imported, {count} already stored, 0 rejected\n", again.Output);
        Finished audit = await LetterboxProcess.RunAsync(["audit"], data: _to.Path);
        Assert.Equal((ExitStatus.Ok, ""), (audit.Status, audit.Error));
    }

    [Fact]
    public async Task A_file_is_read_as_standard_input_is()
    {
        string line = """{"_id":{"$oid":"635d8a1a9c3e5f0011223344"},"date":"2022-10-29 20:20:58.020261",""";
        _from.Write("dump.json", $"[{line}\"username\":\"ann\",\"message\":\"hello\"}}]\noops\n");
        Finished end = await LetterboxProcess.RunAsync(["import", _from.File("dump.json")], data: _to.Path);
        Assert.Equal(ExitStatus.Failed, end.Status);
        Assert.Equal("1 imported, 0 already stored, 1 rejected\n", end.Output);
        Assert.Equal("line 2: not a JSON object in one line\n", end.Error);
        Assert.Equal(["ann|hello"], JournalRows.Messages(_to.Path));
    }

    [Fact]
    public async Task A_file_that_is_not_there_is_named()
    {
        Finished end = await LetterboxProcess.RunAsync(["import", _from.File("none.json")], data: _to.Path);
        Assert.Equal((ExitStatus.Failed, ""), (end.Status, end.Output));
        Assert.Contains(_from.File("none.json"), end.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_journal_of_a_running_store_process_is_left_alone()
    {
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(["store"], data: _to.Path);
        Finished end = await ImportAsync("", data: _to.Path);
        Assert.Equal((ExitStatus.Failed, ""), (end.Status, end.Output));
        Assert.Contains("is in use", end.Error, StringComparison.Ordinal);
        Assert.Contains("stop it for the import", end.Error, StringComparison.Ordinal);
    }

    private async Task LeaveEveryTextAsync()
    {
        await using MessageJournal journal = MessageJournal.Open(
            _from.Path, TimeProvider.System, NullLogger.Instance);
        foreach (string name in Texts.Legal.Select(static row => row.Data))
        {
            Message message = Texts.Message("Ann \"📬\"\n", Texts.Of(name));
            Assert.Equal(Receipt.Stored(message.Id), await journal.AppendAsync(message));
        }
    }

    private static async Task<string> ListAsync(
        Dictionary<string, string>? variables = null, string? data = null)
    {
        Finished end = await LetterboxProcess.RunAsync(["messages", "--format", "json"], variables, data);
        Assert.Equal((ExitStatus.Ok, ""), (end.Status, end.Error));
        return end.Output;
    }

    private static Task<Finished> ImportAsync(
        string lines, Dictionary<string, string>? variables = null, string? data = null) =>
        LetterboxProcess.RunAsync(["import"], variables, data, Encoding.UTF8.GetBytes(lines));

    private static string[] Sorted(string lines) => [.. lines.Split('\n').Order(StringComparer.Ordinal)];
}
