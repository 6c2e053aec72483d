// A MongoDB that has gone back to an old backup: audit finds what it lost, redeliver brings it back.

using System.Text.RegularExpressions;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class RedeliverTests : IAsyncDisposable
{
    private readonly ScriptedMongo _mongo = new();
    private readonly TempFolder _folder = new();

    private Dictionary<string, string> Variables => new() { ["LETTERBOX_MONGODB_URI"] = _mongo.ImpatientUri };

    public async ValueTask DisposeAsync()
    {
        await _mongo.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_mongodb_lost_comes_back_whether_the_store_process_runs_or_not(bool running)
    {
        LetterboxProcess store = await StartAsync();
        await SendAsync(store, 30);
        await Eventually.IsAsync(() => Watermark() == "30");
        _mongo.Lose("letterbox", "messages", static lost => ((string)lost["message"]!).EndsWith('7'));
        if (!running) await StopAsync(store);

        Finished audit = await AuditAsync();
        Assert.Equal(ExitStatus.Failed, audit.Status);
        Assert.Equal(3, Regex.Count(audit.Output, "^missing  ", RegexOptions.Multiline));
        Finished redeliver = await LetterboxProcess.RunAsync(
            ["redeliver", "--since", "1h"], data: _folder.Path);
        Assert.Equal("", redeliver.Error);
        Assert.StartsWith("30 messages delivered since ", redeliver.Output);

        if (!running) store = await StartAsync();
        await Eventually.IsAsync(() => _mongo.Stored("letterbox", "messages").Count == 30);
        await StopAsync(store);
        audit = await AuditAsync();
        Assert.Equal((ExitStatus.Ok, ""), (audit.Status, audit.Error));
        Assert.Contains("0 missing, 0 different", audit.Output);
    }

    private Task<LetterboxProcess> StartAsync() =>
        LetterboxProcess.StartAsync(["store"], Variables, _folder.Path);

    private static async Task StopAsync(LetterboxProcess store)
    {
        store.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await store.EndedAsync());
        await store.DisposeAsync();
    }

    private Task<Finished> AuditAsync() => LetterboxProcess.RunAsync(["audit"], Variables, _folder.Path);

    private string Watermark() =>
        Samples.Query(_folder.File("letterbox.db"), "SELECT ifnull(max(seq), 0) FROM deliveries")[0];

    private static async Task SendAsync(LetterboxProcess store, int count)
    {
        for (int n = 0; n < count; n++)
        {
            Message message = Texts.Message("ann", $"message {n}");
            Receipt receipt = await StoreLink.SendOnceAsync(
                [store.Socket], message, TimeSpan.FromSeconds(30));
            Assert.Equal(Receipt.Stored(message.Id), receipt);
        }
    }
}
