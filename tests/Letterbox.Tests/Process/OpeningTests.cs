// A store process that cannot open its journal: what passes is waited for, and visitors are told meanwhile;
// what a person mistyped ends the first start with an error.

using System.Net;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class OpeningTests
{
    private const UnixFileMode Everyone = (UnixFileMode)0b111_111_111;

    private static readonly Dictionary<string, string> s_restart =
        new() { [StopSignal.SupervisedVariable] = StopSignal.Restart };

    private static readonly Dictionary<string, string> s_noReserve =
        new() { ["LETTERBOX_DISK_RESERVE"] = "1KiB" };

    [Fact]
    public async Task A_store_killed_on_a_full_disk_has_visitors_wait_until_there_is_room()
    {
        CancellationToken stop = TestContext.Current.CancellationToken;
        using var disk = new SmallDisk(mebibytes: 4);
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(
            [], s_noReserve, disk.Path);
        using var client = new HttpClient(
            new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false });
        // More in the log than the database has pages for.
        for (int n = 0; n < 50; n++)
            Assert.Equal(HttpStatusCode.SeeOther, (await PostAsync($"first {n}")).Status);
        disk.FillUpTo(free: 0);
        LetterboxProcess.Signal(letterbox.Child("store"), LetterboxProcess.SigKill);
        await letterbox.Error.SeeAsync("messages cannot be stored: .*the disk is full");
        await letterbox.Error.SeeAsync("store .* is ready on");

        // As often as the supervisor gave up before, and visitors still are told.
        for (int n = 0; n < 12; n++)
        {
            (HttpStatusCode status, string page) = await PostAsync("keep this text");
            Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
            Assert.Contains("keep this text", page, StringComparison.Ordinal);
        }

        Assert.Equal(HttpStatusCode.OK, await GetAsync("healthz"));
        while (await GetAsync("readyz") != HttpStatusCode.ServiceUnavailable)
            stop.ThrowIfCancellationRequested();

        disk.Empty();
        await letterbox.Error.SeeAsync("the journal is open");
        while ((await PostAsync("last")).Status != HttpStatusCode.SeeOther)
            stop.ThrowIfCancellationRequested();
        Assert.Equal(51, JournalRows.Messages(disk.Path).Distinct().Count());
        Assert.DoesNotContain("giving up", letterbox.Error.Text, StringComparison.Ordinal);

        async Task<HttpStatusCode> GetAsync(string path)
        {
            using HttpResponseMessage answer =
                await client.GetAsync(new Uri($"{letterbox.Http.ToUrl()}/{path}"), stop);
            return answer.StatusCode;
        }

        async Task<(HttpStatusCode Status, string Content)> PostAsync(string text)
        {
            bool isLong = text.StartsWith("first", StringComparison.Ordinal);
            using var form = new FormUrlEncodedContent(
                [new("username", "ann"), new("message", isLong ? text.PadRight(4000, 'x') : text)]);
            using HttpResponseMessage answer =
                await client.PostAsync(new Uri($"{letterbox.Http.ToUrl()}/message"), form);
            return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }
    }

    [Fact]
    public async Task A_first_start_on_a_full_disk_serves_and_has_messages_wait()
    {
        using var disk = new SmallDisk(mebibytes: 1);
        disk.FillUpTo(free: 0);
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(
            ["store"], s_noReserve, disk.Path);
        await WaitsAndThenStoresAsync(store, "the disk is full", disk.Empty);
        Assert.Equal(["ann|hello"], JournalRows.Messages(disk.Path));
    }

    [Fact]
    public async Task A_read_only_disk_ends_a_first_start_and_is_waited_for_at_a_restart()
    {
        using var disk = new SmallDisk(mebibytes: 1);
        await StartAndStopAsync(disk.Path);
        disk.SetReadOnly(true);
        Finished end = await LetterboxProcess.RunAsync(["store"], data: disk.Path);
        Assert.Equal(ExitStatus.Failed, end.Status);
        Assert.Contains(disk.Path, end.Error, StringComparison.Ordinal);

        await using LetterboxProcess store = await LetterboxProcess.StartAsync(
            ["store"], s_restart, disk.Path);
        await WaitsAndThenStoresAsync(store, "the journal is read-only", () => disk.SetReadOnly(false));
    }

    [Fact]
    public async Task A_folder_without_rights_ends_a_first_start_and_is_waited_for_at_a_restart()
    {
        string[] nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        Assert.SkipUnless(Environment.UserName == "root", "only root can give up its rights");
        using var folder = new TempFolder();
        SetMode(folder.Path, Everyone);
        await using (LetterboxProcess first = await LetterboxProcess.StartAsync(
            ["store"], data: folder.Path, under: nobody))
        {
            first.Signal(LetterboxProcess.SigTerm);
            Assert.Equal(ExitStatus.Ok, await first.EndedAsync());
        }

        SetMode(folder.Path, UnixFileMode.None);
        await using LetterboxProcess rejected = LetterboxProcess.Launch(["store"], null, folder.Path, nobody);
        Assert.Equal(ExitStatus.Failed, await rejected.EndedAsync());
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(
            ["store"], s_restart, folder.Path, nobody);
        await WaitsAndThenStoresAsync(
            store, "the journal cannot be found", () => SetMode(folder.Path, Everyone));
    }

    [Fact]
    public async Task Files_that_another_user_left_do_not_prevent_a_start()
    {
        string[] nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        Assert.SkipUnless(Environment.UserName == "root", "only root can give up its rights");
        using var folder = new TempFolder();
        SetMode(folder.Path, Everyone);
        Message message = Texts.Message("ann", "hello");
        await using (LetterboxProcess first = await LetterboxProcess.StartAsync(
            ["store"], data: folder.Path, under: nobody))
        {
            await SendAsync(first);
            first.Signal(LetterboxProcess.SigTerm);
            Assert.Equal(ExitStatus.Ok, await first.EndedAsync());
        }

        // As readers of other users leave them: root's files, which nobody else may open.
        foreach (string file in new[] { "letterbox.db-wal", "letterbox.db-shm", "letterbox.lock" })
        {
            File.Delete(folder.File(file));
            await File.WriteAllBytesAsync(
                folder.File(file), new byte[file.EndsWith("shm", StringComparison.Ordinal) ? 32768 : 0],
                TestContext.Current.CancellationToken);
            SetMode(folder.File(file), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        await using LetterboxProcess store = await LetterboxProcess.StartAsync(
            ["store"], data: folder.Path, under: nobody);
        await SendAsync(store);
        Assert.Equal([message.Id.ToString()], JournalRows.Ids(folder.Path));

        async Task SendAsync(LetterboxProcess to) => Assert.Equal(
            Receipt.Stored(message.Id),
            await StoreLink.SendOnceAsync([to.Socket], message, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task A_restart_makes_no_journal_where_one_was_but_waits_for_it()
    {
        using var folder = new TempFolder();
        using var away = new TempFolder();
        await StartAndStopAsync(folder.Path);
        string journal = folder.File("letterbox.db");
        File.Move(journal, away.File("letterbox.db"));
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(
            ["store"], s_restart, folder.Path);
        await WaitsAndThenStoresAsync(store, "the journal cannot be found", () =>
        {
            Assert.False(File.Exists(journal));
            File.Move(away.File("letterbox.db"), journal);
        });
    }

    private static async Task StartAndStopAsync(string folder)
    {
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(["store"], data: folder);
        store.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await store.EndedAsync());
    }

    private static async Task WaitsAndThenStoresAsync(LetterboxProcess store, string reason, Action repair)
    {
        Message message = Texts.Message("ann", "hello");
        Assert.Equal(Receipt.Later(reason), await SendAsync());
        repair();
        await store.Error.SeeAsync("the journal is open");
        Assert.Equal(Receipt.Stored(message.Id), await SendAsync());

        Task<Receipt> SendAsync() =>
            StoreLink.SendOnceAsync([store.Socket], message, TimeSpan.FromSeconds(30));
    }

    private static void SetMode(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, mode);
    }
}
