// What can happen to a journal, to the real executable: locked, damaged, short of room, its MongoDB hung in
// the middle of a stop.

using System.Net;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;
using Microsoft.Data.Sqlite;

namespace Letterbox.Tests.Process;

public sealed class FailureTests
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_lock_of_another_process_makes_messages_wait_and_passes()
    {
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(["store"]);
        await using var other = new SqliteConnection(
            $"Data Source={Path.Combine(store.Data, "letterbox.db")};Pooling=False");
        await other.OpenAsync(TestContext.Current.CancellationToken);
        Execute("BEGIN EXCLUSIVE");
        Message message = Texts.Message("ann", "hello");
        Assert.Equal(
            Receipt.Later("another program has locked the journal"),
            await StoreLink.SendOnceAsync([store.Socket], message, s_timeout));
        Execute("ROLLBACK");
        Assert.Equal(
            Receipt.Stored(message.Id), await StoreLink.SendOnceAsync([store.Socket], message, s_timeout));
        Assert.Equal(["ann|hello"], JournalRows.Messages(store.Data));

        void Execute(string sql)
        {
            using SqliteCommand command = other.CreateCommand();
            command.CommandText = sql;
            command.ExecuteNonQuery();
        }
    }

    [Theory]
    [InlineData("store")]
    [InlineData("audit")]
    [InlineData("messages")]
    [InlineData("redeliver --since 1h")]
    public async Task A_damaged_journal_is_named_with_advice_and_left_as_it_is(string line)
    {
        using var folder = new TempFolder();
        byte[] damaged = [.. "SQLite format 3\0"u8, .. new byte[8000]];
        string journal = folder.File("letterbox.db");
        CancellationToken stop = TestContext.Current.CancellationToken;
        await File.WriteAllBytesAsync(journal, damaged, stop);
        Finished end = await LetterboxProcess.RunAsync(line.Split(' '), data: folder.Path);
        Assert.Equal(ExitStatus.Failed, end.Status);
        Assert.Contains($"cannot use the journal {journal}", end.Error);
        Assert.Contains(".recover", end.Error);
        Assert.Equal(damaged, await File.ReadAllBytesAsync(journal, stop));
    }

    [Fact]
    public async Task A_limit_on_the_size_of_files_makes_messages_wait_and_ends_no_process()
    {
        // The limit holds for the memory of a just-in-time compiler too.
        var variables = new Dictionary<string, string> { ["DOTNET_EnableWriteXorExecute"] = "0" };
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(
            ["store"], variables, under: ["bash", "-c", "ulimit -f 400; exec \"$@\"", "bash"]);
        var stored = new List<string>();
        Receipt receipt;
        do
        {
            Message message = Texts.Message("ann", new string('x', 4000));
            receipt = await StoreLink.SendOnceAsync([store.Socket], message, s_timeout);
            if (receipt.Kind == ReceiptKind.Stored) stored.Add(message.Id.ToString());
        }
        while (receipt.Kind == ReceiptKind.Stored);

        Assert.Equal(Receipt.Later("the disk is full"), receipt);
        Assert.Equal(stored, JournalRows.Ids(store.Data));
        store.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await store.EndedAsync());
    }

    [Fact]
    public async Task A_disk_that_is_nearly_full_is_told_politely_everywhere_until_there_is_room()
    {
        using var disk = new SmallDisk(mebibytes: 32);
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(
            variables: new() { ["LETTERBOX_DISK_RESERVE"] = "16MiB" }, data: disk.Path);
        using var client = new HttpClient(
            new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false });
        Assert.Equal(HttpStatusCode.SeeOther, (await PostAsync()).Status);
        Assert.Equal((HttpStatusCode.OK, "ready\n"), await GetAsync("readyz"));

        // Less than the reserve, more than what is stored until the next look.
        disk.FillUpTo(free: 15 << 20);
        await EventuallyAsync(HttpStatusCode.ServiceUnavailable);
        (_, string page) = await PostAsync();
        Assert.Contains("keep this text", page);
        Assert.Contains("We could not store your message just now.", page);
        await ReadinessAsync(HttpStatusCode.ServiceUnavailable, "not ready\n");
        Assert.Equal((HttpStatusCode.OK, "ok\n"), await GetAsync("healthz"));
        Receipt wait = await StoreLink.SendOnceAsync([letterbox.Socket], Texts.Message("a", "b"), s_timeout);
        Assert.Equal(Receipt.Later("the disk is nearly full"), wait);

        disk.Empty();
        await EventuallyAsync(HttpStatusCode.SeeOther);
        await ReadinessAsync(HttpStatusCode.OK, "ready\n");

        // What is said there may be a second old.
        async Task ReadinessAsync(HttpStatusCode status, string text)
        {
            CancellationToken stop = TestContext.Current.CancellationToken;
            while (await GetAsync("readyz") != (status, text)) stop.ThrowIfCancellationRequested();
        }

        async Task EventuallyAsync(HttpStatusCode status)
        {
            CancellationToken stop = TestContext.Current.CancellationToken;
            while ((await PostAsync()).Status != status) stop.ThrowIfCancellationRequested();
        }

        async Task<(HttpStatusCode Status, string Content)> PostAsync()
        {
            using var form = new FormUrlEncodedContent(
                [new("username", "ann"), new("message", "keep this text")]);
            var address = new Uri($"{letterbox.Http.ToUrl()}/message");
            return await ReadAsync(await client.PostAsync(address, form));
        }

        async Task<(HttpStatusCode Status, string Content)> GetAsync(string path) =>
            await ReadAsync(await client.GetAsync(new Uri($"{letterbox.Http.ToUrl()}/{path}")));
    }

    [Fact]
    public async Task MongoDB_is_asked_at_the_start_and_the_letterbox_opens_all_the_same()
    {
        await using var mongo = new ScriptedMongo();
        await using (LetterboxProcess store = await StartAsync(mongo.Uri))
        {
            await store.Error.SeeAsync("MongoDB is reached");
            Assert.Equal("OK ready", await StatusAsync(store));
        }

        await using LetterboxProcess away = await StartAsync(
            "mongodb://nosuchhost.invalid/?serverSelectionTimeoutMS=300");
        await away.Error.SeeAsync("messages do not reach MongoDB: .*nosuchhost.invalid");
        Assert.StartsWith(
            "OK messages do not reach MongoDB: no server accepts writes", await StatusAsync(away));
        Message message = Texts.Message("ann", "hello");
        Assert.Equal(
            Receipt.Stored(message.Id), await StoreLink.SendOnceAsync([away.Socket], message, s_timeout));

        static Task<LetterboxProcess> StartAsync(string uri) =>
            LetterboxProcess.StartAsync(["store"], new() { ["LETTERBOX_MONGODB_URI"] = uri });

        static async Task<string?> StatusAsync(LetterboxProcess store)
        {
            using SocketClient client = await SocketClient.ConnectAsync(
                new IPEndPoint(IPAddress.Loopback, store.Socket.Port));
            await client.SendAsync("?\n");
            return await client.ReadLineAsync();
        }
    }

    [Fact]
    public async Task A_stop_while_mongodb_hangs_and_messages_come_loses_nothing_and_doubles_nothing()
    {
        await using var mongo = new ScriptedMongo();
        using var folder = new TempFolder();
        var variables = new Dictionary<string, string> { ["LETTERBOX_MONGODB_URI"] = mongo.ImpatientUri };
        var acknowledged = new List<string>();
        for (int round = 0; round < 3; round++)
        {
            // It takes the batch, and does not say so.
            mongo.Next("insert", MongoFault.After(MongoMisbehaviour.Freeze));
            await using LetterboxProcess store = await StartAsync();
            int inserts = mongo.Seen("insert").Count;
            Task<Receipt>[] sent =
            [
                .. Enumerable.Range(0, 200).Select(n => StoreLink.SendOnceAsync(
                    [store.Socket], Texts.Message("ann", $"{round} {n}"), TimeSpan.FromSeconds(10))),
            ];
            await Eventually.IsAsync(() => mongo.Seen("insert").Count > inserts);
            store.Signal(LetterboxProcess.SigTerm);
            Assert.Equal(ExitStatus.Ok, await store.EndedAsync());
            acknowledged.AddRange((await Task.WhenAll(sent))
                .Where(static receipt => receipt.Kind == ReceiptKind.Stored)
                .Select(static receipt => $"{receipt.Id}"));
        }

        Assert.NotEmpty(acknowledged);
        Assert.Empty(acknowledged.Except(JournalRows.Ids(folder.Path)));
        await using LetterboxProcess last = await StartAsync();
        string[] stored = JournalRows.Ids(folder.Path);
        await Eventually.IsAsync(() => mongo.Stored("letterbox", "messages").Count >= stored.Length);
        Assert.Equal(
            stored.Order(), mongo.Stored("letterbox", "messages").Select(static d => $"{d["_id"]}").Order());

        Task<LetterboxProcess> StartAsync() =>
            LetterboxProcess.StartAsync(["store"], variables, folder.Path);
    }

    private static async Task<(HttpStatusCode Status, string Content)> ReadAsync(HttpResponseMessage response)
    {
        using (response) return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }
}
