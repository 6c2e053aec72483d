// The link between the two processes, cut in the middle of messages and of answers, and frozen; and a disk
// that is full for a while. The processes themselves live on.

using System.Diagnostics;
using Letterbox.Configuration;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Torture;

public sealed class LinkTortureTests
{
    private const int Cuts = 100;
    private const int Clients = 8;

    private readonly Ledger _ledger = new();

    [Fact]
    public async Task A_link_that_is_cut_a_hundred_times_loses_and_doubles_nothing()
    {
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(["store"]);
        using var proxy = new CuttingProxy(store.Socket);
        string[] overProxy = ["web", "--socket", $"{proxy.Address}"];
        await using LetterboxProcess web = await LetterboxProcess.StartAsync(overProxy);
        using var stop = new CancellationTokenSource();
        Task clients = Post(web.Http, stop.Token);
        for (int cut = 1; cut <= Cuts; cut++)
        {
            await FlowAsync(cut % 4);
            proxy.Cut();
            if (cut % 20 == 0) await proxy.FreezeAsync(TimeSpan.FromMilliseconds(cut));
        }

        await stop.CancelAsync();
        await clients;
        Assert.Equal(Verdict.Kept, _ledger.AuditJournal(store.Data));
    }

    [Fact]
    public async Task A_disk_that_is_full_for_a_while_loses_nothing_and_is_used_again()
    {
        using var folder = new TempFolder();
        bool mounted = await MountAsync("-t", "tmpfs", "-o", "size=1m", "letterbox", folder.Path);
        Assert.SkipUnless(mounted, "this user may not mount a small disk");
        try
        {
            await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(data: folder.Path);
            using var stop = new CancellationTokenSource();
            Task clients = Post(letterbox.Http, stop.Token);
            await letterbox.Error.SeeAsync("messages cannot be stored: the disk is (nearly )?full");
            Assert.True(await MountAsync("-o", "remount,size=64m", folder.Path));
            await letterbox.Error.SeeAsync("messages are stored again");
            await FlowAsync(50);
            await stop.CancelAsync();
            await clients;
            Assert.Equal(Verdict.Kept, _ledger.AuditJournal(folder.Path));
        }
        finally
        {
            await RunAsync("umount", folder.Path);
        }
    }

    private Task Post(Address http, CancellationToken stop) => Task.WhenAll(
        from mood in Enumerable.Range(0, Clients)
        select new PostingClient(() => http, _ledger, mood).PostAsync(stop));

    private Task FlowAsync(int messages)
    {
        int enough = _ledger.Thanked + messages;
        return Eventually.IsAsync(() => _ledger.Thanked >= enough);
    }

    private static Task<bool> MountAsync(params string[] arguments) => RunAsync("mount", arguments);

    private static async Task<bool> RunAsync(string program, params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardError = true,
        })!;
        await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0;
    }
}
