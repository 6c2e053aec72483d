// The real executable on several hosts, as far as one host can stand for them: two store processes over one
// MongoDB, and TLS between the processes.

using System.Net;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;
using Letterbox.Tests.Torture;

namespace Letterbox.Tests.Process;

public sealed class ManyStoresTests
{
    private const int Rounds = 6;

    [Fact]
    public async Task Stores_that_are_killed_in_turn_under_load_cost_no_message_and_double_none()
    {
        await using var mongo = new ScriptedMongo();
        using TempFolder data0 = new(), data1 = new();
        TempFolder[] data = [data0, data1];
        LetterboxProcess[] stores =
            [await StartAsync(0, "127.0.0.1:0"), await StartAsync(1, "127.0.0.1:0")];
        try
        {
            var ledger = new Ledger();
            await KillInTurnAsync(stores, ledger, StartAsync);
            string[] keys =
                [.. data.SelectMany(folder => JournalRows.Ids(folder.Path)).Distinct().Order()];
            await Eventually.IsAsync(() => Stored().Length >= keys.Length);
            Assert.Equal(keys, Stored().Select(row => row.Id).Order());
            Assert.Equal(Verdict.Kept, ledger.Audit(Stored()));
            string said = string.Concat(stores.Select(store => store.Error.Text));
            Assert.DoesNotContain("quarantine", said, StringComparison.Ordinal);
        }
        finally
        {
            foreach (LetterboxProcess store in stores) await store.DisposeAsync();
        }

        Task<LetterboxProcess> StartAsync(int store, string at) => LetterboxProcess.StartAsync(
            ["store", "--socket", at], new() { ["LETTERBOX_MONGODB_URI"] = mongo.Uri }, data[store].Path);

        (string Id, string Text)[] Stored() =>
        [
            .. from document in mongo.Stored("letterbox", "messages")
               select ($"{document["_id"]}", (string)document["message"]!),
        ];
    }

    // A web process with clients goes on all the while.
    private static async Task KillInTurnAsync(
        LetterboxProcess[] stores, Ledger ledger, Func<int, string, Task<LetterboxProcess>> start)
    {
        string both = $"{stores[0].Socket},{stores[1].Socket}";
        await using LetterboxProcess web = await LetterboxProcess.StartAsync(["web", "--socket", both]);
        using var stop = new CancellationTokenSource();
        Task clients = Task.WhenAll(
            from mood in Enumerable.Range(0, 8)
            select new PostingClient(() => web.Http, ledger, mood).PostAsync(stop.Token));
        for (int round = 0; round < Rounds; round++)
        {
            await FlowAsync(round);
            LetterboxProcess dies = stores[round % 2];
            dies.Signal(LetterboxProcess.SigKill);
            await FlowAsync(50);
            await web.Error.SeeAsync($"connected to the store at {stores[(round + 1) % 2].Socket}");
            await dies.DisposeAsync();
            // What it had taken in and not handed on is in its journal, and comes when it comes back.
            stores[round % 2] = await start(round % 2, $"{dies.Socket}");
        }

        await stop.CancelAsync();
        await clients;

        Task FlowAsync(int messages)
        {
            int enough = ledger.Thanked + messages;
            return Eventually.IsAsync(() => ledger.Thanked >= enough);
        }
    }

    [Fact]
    public async Task Each_web_process_confirms_what_another_one_stored_in_either_store_and_nothing_else()
    {
        string[] store = ["store", "--socket", "127.0.0.1:0"];
        await using LetterboxProcess one = await LetterboxProcess.StartAsync(store);
        await using LetterboxProcess two = await LetterboxProcess.StartAsync(store);
        await using LetterboxProcess sender =
            await LetterboxProcess.StartAsync(["web", "--socket", $"{two.Socket}"]);
        await using LetterboxProcess web =
            await LetterboxProcess.StartAsync(["web", "--socket", $"{one.Socket},{two.Socket}"]);
        using var client = new HttpClient(
            new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false });
        using var form = new FormUrlEncodedContent([new("username", "ann"), new("message", "hello")]);
        var post = new Uri($"{sender.Http.ToUrl()}/message");
        using HttpResponseMessage answer = await client.PostAsync(post, form);
        var address = new Uri($"{web.Http.ToUrl()}{answer.Headers.Location}");
        string receipt = await client.GetStringAsync(address);
        Assert.Contains("Thank you. Your message is stored.", receipt, StringComparison.Ordinal);
        Assert.DoesNotContain("hello", receipt, StringComparison.Ordinal);
        using HttpResponseMessage unknown =
            await client.GetAsync(new Uri($"{web.Http.ToUrl()}/receipt/deadbeefdeadbeefdeadbeef"));
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }

    [Fact]
    public async Task Both_processes_speak_tls_with_certificates_and_a_client_without_one_is_rejected()
    {
        using var folder = new TempFolder();
        Finished made = await LetterboxProcess.RunAsync(["tls", "init", folder.Path]);
        Dictionary<string, string> variables = made.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]);
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(variables: variables);
        Assert.Contains("TCP with mutual TLS", letterbox.Output.Text, StringComparison.Ordinal);
        Address store = letterbox.Socket;
        string[] send = ["send", "--username", "ann", "--message", "hello", "--socket", $"{store}"];
        Finished sent = await LetterboxProcess.RunAsync(send, variables);
        Assert.StartsWith("OK ", sent.Output, StringComparison.Ordinal);
        using var client = new HttpClient();
        var ready = new Uri($"{letterbox.Http.ToUrl()}/readyz");
        Assert.Equal("ready\n", await client.GetStringAsync(ready));
        using SocketClient stranger = await SocketClient.ConnectAsync((IPEndPoint)store.ToConnect());
        await stranger.SendAsync("username=a&message=b\n");
        Assert.DoesNotContain("OK", string.Concat(await stranger.ReadToEndAsync()));
        Assert.Equal(["ann|hello"], JournalRows.Messages(letterbox.Data));
        Finished again = await LetterboxProcess.RunAsync(["tls", "init", folder.Path]);
        Assert.Equal(ExitStatus.Failed, again.Status);
    }

    [Fact]
    public async Task The_connection_string_may_come_from_a_file_that_only_the_store_process_hears_of()
    {
        await using var mongo = new ScriptedMongo();
        using var folder = new TempFolder();
        folder.Write("uri", $"{mongo.Uri}&appName=topsecret\n");
        string file = folder.File("uri");
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(
            variables: new() { ["LETTERBOX_MONGODB_URI_FILE"] = file });
        int web = letterbox.Child("web"), store = letterbox.Child("store");
        Assert.Contains($"LETTERBOX_MONGODB_URI_FILE={file}", LetterboxProcess.Variables(store));
        Assert.DoesNotContain("MONGODB_URI", string.Concat(LetterboxProcess.Variables(web)));
        foreach (int child in letterbox.Children)
            Assert.DoesNotContain("topsecret", string.Concat(LetterboxProcess.Variables(child)));
        await StoreLink.SendOnceAsync(
            [letterbox.Socket], Texts.Message("ann", "hello"), TimeSpan.FromSeconds(30));
        await Eventually.IsAsync(() => mongo.Stored("letterbox", "messages").Count == 1);
        letterbox.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
        Assert.DoesNotContain("topsecret", letterbox.Output.Text + letterbox.Error.Text);
    }

    [Theory]
    [InlineData("store", "*:0", "LETTERBOX_NETWORK=private")]
    [InlineData("store", "*:0", "LETTERBOX_TLS_CERT")]
    [InlineData("", "*:0", "LETTERBOX_NETWORK=private")]
    [InlineData("store", "127.0.0.1:0,127.0.0.1:0", "LETTERBOX_SOCKET names 2 addresses")]
    [InlineData("", "127.0.0.1:0,127.0.0.1:0", "LETTERBOX_SOCKET names 2 addresses")]
    public async Task A_store_does_not_start_where_strangers_could_reach_it_or_on_two_addresses(
        string role, string address, string named)
    {
        Finished end = await LetterboxProcess.RunAsync(
            role.Length == 0 ? [] : [role], new() { ["LETTERBOX_SOCKET"] = address });
        Assert.Equal(ExitStatus.Usage, end.Status);
        Assert.Contains(named, end.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", end.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_a_private_network_a_store_listens_everywhere()
    {
        var variables = new Dictionary<string, string>
        {
            ["LETTERBOX_SOCKET"] = "*:0",
            ["LETTERBOX_NETWORK"] = "private",
        };
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(["store"], variables);
        Message message = Texts.Message("ann", "hello");
        Assert.Equal(
            Receipt.Stored(message.Id),
            await StoreLink.SendOnceAsync([store.Socket], message, TimeSpan.FromSeconds(30)));
    }
}
