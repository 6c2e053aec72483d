// A stranger who polls the page, reads receipts and takes the keys that he expects to come next; and one who
// knows even the key of each visitor's page. With two stores he takes them through the other one. The real
// executable, over a scripted MongoDB; the numbers are those of an attack that once succeeded.

using System.Globalization;
using System.Net;
using Letterbox.Configuration;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class StrangerTests : IAsyncLifetime
{
    private const int Visitors = 45, VisitorsOfOneStore = 26, Programs = 38;

    private readonly ScriptedMongo _mongo = new();
    private readonly TempFolder _data0 = new(), _data1 = new();
    private readonly List<LetterboxProcess> _processes = [];
    private readonly HttpClient _client =
        new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false });

    private int _taken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (LetterboxProcess process in _processes) await process.DisposeAsync();
        await _mongo.DisposeAsync();
        _client.Dispose();
        _data0.Dispose();
        _data1.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task With_two_stores_every_visitor_is_thanked_and_every_message_reaches_mongodb(bool knows)
    {
        (LetterboxProcess store, Address web) = await StartAsync(_data0);
        (_, Address otherWeb) = await StartAsync(_data1);
        var visits = new List<(Dictionary<string, string> Form, string Receipt)>();
        for (int visitor = 0; visitor < Visitors; visitor++)
        {
            await TakeAfterAsync(otherWeb, (await OpenAsync(web, "polled"))["id"]);
            Dictionary<string, string> form = await OpenAsync(web, $"visitor {visitor}");
            if (knows) await TakeAsync(otherWeb, form["id"]);
            // He is quicker: his message is in MongoDB first.
            await Eventually.IsAsync(() => InMongo("stranger") == _taken);
            visits.Add((form, await ThankedAsync(web, form)));
        }

        await AllArriveAsync(Visitors);
        Assert.Equal(_taken, InMongo("stranger"));
        string said = store.Error.Text;
        Assert.DoesNotContain("quarantine", said, StringComparison.Ordinal);
        Assert.Equal(knows, said.Contains("delivered under another key", StringComparison.Ordinal));
        // Whoever sends his form again hears the same, and it is still one message.
        foreach ((Dictionary<string, string> form, string receipt) in visits)
            Assert.Equal(receipt, await ThankedAsync(web, form));
        Finished audit = await LetterboxProcess.RunAsync(
            ["audit", "--no-extra"], new() { ["LETTERBOX_MONGODB_URI"] = _mongo.Uri }, _data0.Path);
        Assert.Equal((0, ""), (audit.Status, audit.Error));
        Assert.Equal(Visitors, InMongo("visitor"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task With_one_store_every_visitor_gets_through(bool knows)
    {
        (_, Address web) = await StartAsync(_data0);
        for (int visitor = 0; visitor < VisitorsOfOneStore; visitor++)
        {
            await TakeAfterAsync(web, (await OpenAsync(web, "polled"))["id"]);
            Dictionary<string, string> form = await OpenAsync(web, $"visitor {visitor}");
            if (knows)
            {
                // Then the page has to be sent once more, and he knows that key too.
                await TakeAsync(web, form["id"]);
                using HttpResponseMessage again = await PostAsync(web, form);
                Assert.Equal(HttpStatusCode.UnprocessableEntity, again.StatusCode);
                form = FormFields.Of(await again.Content.ReadAsStringAsync());
                await TakeAsync(web, form["id"]);
            }

            await ThankedAsync(web, form);
        }

        await AllArriveAsync(VisitorsOfOneStore);
    }

    [Fact]
    public async Task With_one_store_every_program_without_a_key_gets_through()
    {
        (LetterboxProcess store, Address web) = await StartAsync(_data0);
        for (int program = 0; program < Programs; program++)
        {
            await TakeAfterAsync(web, await SendAsync(store, "polled"));
            await SendAsync(store, $"visitor {program}");
            await TakeAfterAsync(web, (await OpenAsync(web, "polled"))["id"]);
            string text = $"visitor by web {program}";
            using HttpResponseMessage answer =
                await PostAsync(web, new() { ["username"] = "ann", ["message"] = text });
            Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        }

        await AllArriveAsync(2 * Programs);
    }

    private async Task<(LetterboxProcess Store, Address Web)> StartAsync(TempFolder data)
    {
        Dictionary<string, string> mongo = new() { ["LETTERBOX_MONGODB_URI"] = _mongo.Uri };
        LetterboxProcess store = await LetterboxProcess.StartAsync(["store"], mongo, data.Path);
        _processes.Add(store);
        LetterboxProcess web = await LetterboxProcess.StartAsync(["web", "--socket", $"{store.Socket}"]);
        _processes.Add(web);
        return (store, web.Http);
    }

    // The keys that a counter would give next.
    private async Task TakeAfterAsync(Address web, string seen)
    {
        uint counter = uint.Parse(seen.AsSpan(18), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        for (uint next = 1; next <= 2; next++)
            await TakeAsync(web, $"{seen[..18]}{(counter + next) & 0xFF_FFFF:x6}");
    }

    private async Task TakeAsync(Address web, string id)
    {
        using HttpResponseMessage answer = await PostAsync(
            web, new() { ["id"] = id, ["username"] = "stranger", ["message"] = $"stranger {id}" });
        if (answer.StatusCode == HttpStatusCode.SeeOther) _taken++;
    }

    private async Task<Dictionary<string, string>> OpenAsync(Address web, string text)
    {
        string page = await _client.GetStringAsync($"http://{web}/message");
        return new(FormFields.Of(page)) { ["username"] = "ann", ["message"] = text };
    }

    private async Task<string> ThankedAsync(Address web, Dictionary<string, string> form)
    {
        using HttpResponseMessage answer = await PostAsync(web, form);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        return answer.Headers.Location!.ToString();
    }

    private async Task<HttpResponseMessage> PostAsync(Address web, Dictionary<string, string> form)
    {
        using var content = new FormUrlEncodedContent(form);
        return await _client.PostAsync($"http://{web}/message?send", content);
    }

    // Without a key, as a line over TCP.
    private static async Task<string> SendAsync(LetterboxProcess store, string text)
    {
        using SocketClient client =
            await SocketClient.ConnectAsync((IPEndPoint)store.Socket.ToConnect());
        await client.SendAsync($"username=ann&message={Uri.EscapeDataString(text)}\n");
        string? answer = await client.ReadLineAsync();
        Assert.StartsWith("OK ", answer);
        return answer![3..];
    }

    // Fails with the number that did.
    private async Task AllArriveAsync(int visitors)
    {
        await Record.ExceptionAsync(() => Eventually.IsAsync(() => InMongo("visitor") >= visitors));
        Assert.Equal(visitors, InMongo("visitor"));
    }

    private int InMongo(string who) => _mongo.Stored("letterbox", "messages").Count(
        document => ((string)document["message"]!).StartsWith(who, StringComparison.Ordinal));
}
