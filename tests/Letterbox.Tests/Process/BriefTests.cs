// The brief, line by line, on the real executable. README's table names these tests.

using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Tests.Support;
using Letterbox.Tests.Tidy;

namespace Letterbox.Tests.Process;

public sealed partial class BriefTests
{
    [Fact]
    public async Task Line_1_two_html_pages_are_routed_by_a_server_without_a_framework()
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        using HttpClient browser = Browser(letterbox);
        Assert.Contains("<html", await browser.GetStringAsync("/index.html"), StringComparison.Ordinal);
        Assert.Contains("<form", await browser.GetStringAsync("/message.html"), StringComparison.Ordinal);
        Assert.Equal(3000, new Settings().Http.Port);
        string[] used = [.. typeof(Settings).Assembly.GetReferencedAssemblies().Select(static a => a.Name!)];
        Assert.DoesNotContain(used, static name =>
            name.StartsWith("Microsoft.AspNetCore", StringComparison.Ordinal)
            || name is "System.Net.HttpListener");
    }

    [Fact]
    public async Task Line_2_static_resources_are_served()
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        using HttpClient browser = Browser(letterbox);
        using HttpResponseMessage css = await browser.GetAsync("/style.css");
        using HttpResponseMessage logo = await browser.GetAsync("/logo.png");
        Assert.Equal("text/css", css.Content.Headers.ContentType!.MediaType);
        Assert.Equal("image/png", logo.Content.Headers.ContentType!.MediaType);
        Assert.Equal("\u0089PNG", Encoding.Latin1.GetString(await logo.Content.ReadAsByteArrayAsync(), 0, 4));
    }

    [Fact]
    public async Task Line_3_an_unknown_address_answers_404_with_error_html()
    {
        using var site = new TempFolder();
        site.Write("error.html", "the very page");
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(["--site", site.Path]);
        using HttpClient browser = Browser(letterbox);
        using HttpResponseMessage answer = await browser.GetAsync("/nowhere");
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Equal("the very page", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Line_4_the_form_goes_over_a_socket_to_the_socket_server()
    {
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(["store"]);
        await using LetterboxProcess web =
            await LetterboxProcess.StartAsync(["web", "--socket", store.Socket.ToString()]);
        using HttpClient browser = Browser(web);
        await PostAsync(browser, "krabaton", "First message");
        Assert.Equal(5000, new Settings().Socket.Port);
        Assert.Equal(["krabaton|First message"], JournalRows.Messages(store.Data));

        using var udp = new UdpClient("127.0.0.1", store.Socket.Port);
        await udp.SendAsync("username=u&message=datagram"u8.ToArray());
        UdpReceiveResult datagram = await udp.ReceiveAsync().WaitAsync(TimeSpan.FromMinutes(1));
        string answer = Encoding.ASCII.GetString(datagram.Buffer);
        Assert.StartsWith("OK ", answer, StringComparison.Ordinal);
        Assert.Equal(["krabaton|First message", "u|datagram"], JournalRows.Messages(store.Data));
    }

    [Fact]
    public async Task Line_5_the_document_in_mongodb_has_the_fields_and_the_format_of_the_brief()
    {
        await using var mongo = new ScriptedMongo();
        Dictionary<string, string> settings = new()
        {
            ["LETTERBOX_MONGODB_URI"] = mongo.Uri,
            ["TZ"] = "Asia/Kathmandu",
        };
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(variables: settings);
        using HttpClient browser = Browser(letterbox);
        DateTime before = DateTime.UtcNow.AddMinutes(345);
        string receipt = await PostAsync(browser, "krabaton", "First message");
        await Eventually.IsAsync(() => mongo.Stored("letterbox", "messages").Count == 1);
        MongoDoc document = mongo.Stored("letterbox", "messages")[0];
        Assert.Equal(["_id", "date", "username", "message"], document.Names);
        Assert.Equal(receipt, Assert.IsType<MessageKey>(document["_id"]).ToString());
        Assert.Equal("krabaton", document["username"]);
        Assert.Equal("First message", document["message"]);
        // Local time of receipt: Nepal is five and three quarter hours ahead, on whatever machine this runs.
        string date = Assert.IsType<string>(document["date"]);
        Assert.Matches(DateFormat(), date);
        Assert.InRange(DateTime.Parse(date), before.AddMilliseconds(-1), DateTime.UtcNow.AddMinutes(345));
    }

    [Fact]
    public async Task Line_6_one_program_runs_the_two_servers_in_processes_of_their_own()
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        Assert.NotEqual(letterbox.Child("web"), letterbox.Child("store"));
        Assert.Equal(2, letterbox.Children.Length);
        letterbox.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
    }

    [Fact]
    public void Line_7_the_containers_keep_database_and_journal_in_named_volumes()
    {
        string compose = Repository.Read("docker-compose.yaml");
        Assert.Contains("build: .", compose, StringComparison.Ordinal);
        Assert.Matches(VolumeOf("/data/db"), compose);
        Assert.Matches(VolumeOf("/data"), compose);
        Assert.Matches("(?m)^volumes:$", compose);
        Assert.Contains("ENTRYPOINT", Repository.Read("Dockerfile"), StringComparison.Ordinal);
    }

    private static string VolumeOf(string folder) => $"(?m)^ +- [a-z]+:{folder}$";

    private static HttpClient Browser(LetterboxProcess letterbox) =>
        new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false })
        {
            BaseAddress = new Uri(letterbox.Http.ToUrl()),
        };

    private static async Task<string> PostAsync(HttpClient browser, string username, string message)
    {
        using var form = new FormUrlEncodedContent([new("username", username), new("message", message)]);
        using HttpResponseMessage answer = await browser.PostAsync("/message", form);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        return answer.Headers.Location!.ToString()["/receipt/".Length..];
    }

    [GeneratedRegex(@"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$", RegexOptions.None, 1000)]
    private static partial Regex DateFormat();
}
