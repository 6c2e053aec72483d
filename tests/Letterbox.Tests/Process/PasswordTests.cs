// The password of the database, through the real executable: whatever goes wrong with it, nobody is told it.

using System.Net;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class PasswordTests
{
    // In a connection string the slash and the @ are written otherwise; the pieces stay as they are.
    private const string Password = "hunter2/s3cret@x";
    private static readonly string[] s_pieces = ["hunter2", "s3cret"];
    private static readonly MongoUser s_user = new("letterbox", Password);

    [Fact]
    public async Task A_password_that_is_right_logs_in_and_is_not_told()
    {
        await using var mongo = new ScriptedMongo(MongoTopology.ReplicaSet, s_user);
        await using LetterboxProcess letterbox = await StartAsync(mongo.ImpatientUri);
        await SendAsync(letterbox);
        await Eventually.IsAsync(() => mongo.Stored("letterbox", "messages").Count == 1);
        await AssertSilentAsync(letterbox, ready: HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_password_that_is_wrong_is_named_as_the_trouble_and_not_told()
    {
        MongoUser other = s_user with { Password = "other" };
        await using var mongo = new ScriptedMongo(MongoTopology.ReplicaSet, other);
        string uri = mongo.UriOf(s_user);
        await using LetterboxProcess letterbox = await StartAsync(uri);
        await letterbox.Error.SeeAsync("messages do not reach MongoDB: .*Authentication failed");
        await SendAsync(letterbox);
        await AssertSilentAsync(letterbox, ready: null);
        foreach (string verb in new[] { "messages", "audit" })
        {
            Finished end = await LetterboxProcess.RunAsync([verb], Variables(uri), letterbox.Data);
            Assert.Equal(ExitStatus.Failed, end.Status);
            Assert.Contains("Authentication failed", end.Error, StringComparison.Ordinal);
            AssertSilent(end.Output + end.Error);
        }
    }

    [Theory]
    [InlineData("mongodb://letterbox:hunter2@s3cret@127.0.0.1:1/")]
    [InlineData("mongodb://letterbox:hunter2/s3cret@127.0.0.1:1/")]
    [InlineData("mongodb://letterbox:hunter2%s3cret@127.0.0.1:1/")]
    [InlineData("mongodb://letterbox:hunter2:s3cret@127.0.0.1:99999/")]
    [InlineData("mongodb+srv://letterbox:hunter2@s3cret@/")]
    [InlineData("mongodb:/letterbox:hunter2s3cret@127.0.0.1:1/")]
    [InlineData("letterbox:hunter2s3cret@127.0.0.1:1")]
    public async Task A_connection_string_that_cannot_be_read_is_refused_and_not_told(string uri)
    {
        foreach (string[] arguments in new string[][] { [], ["store"], ["messages"] })
        {
            Finished end = await LetterboxProcess.RunAsync(arguments, Variables(uri));
            Assert.NotEqual(ExitStatus.Ok, end.Status);
            Assert.Contains("LETTERBOX_MONGODB_URI", end.Error, StringComparison.Ordinal);
            AssertSilent(end.Output + end.Error);
        }
    }

    private static Dictionary<string, string> Variables(string uri) => new()
    {
        ["LETTERBOX_MONGODB_URI"] = uri,
        ["LETTERBOX_LOG"] = "trace",
    };

    private static Task<LetterboxProcess> StartAsync(string uri) =>
        LetterboxProcess.StartAsync(variables: Variables(uri));

    private static async Task SendAsync(LetterboxProcess letterbox)
    {
        Message message = Texts.Message("ann", "hello");
        var timeout = TimeSpan.FromSeconds(30);
        Receipt receipt = await StoreLink.SendOnceAsync([letterbox.Socket], message, timeout);
        Assert.Equal(Receipt.Stored(message.Id), receipt);
    }

    // What it said, what readiness says, and the titles of all its processes. It ends in order.
    private static async Task AssertSilentAsync(LetterboxProcess letterbox, HttpStatusCode? ready)
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        var address = new Uri($"http://{letterbox.Http}/readyz");
        using HttpResponseMessage answer = await client.GetAsync(
            address, TestContext.Current.CancellationToken);
        if (ready is not null) Assert.Equal(ready, answer.StatusCode);
        AssertSilent(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        int[] family = [letterbox.Id, .. letterbox.Children];
        Assert.Equal(3, family.Length);
        foreach (int process in family)
        {
            AssertSilent(string.Join(' ', LetterboxProcess.Arguments(process)));
            AssertSilent(await File.ReadAllTextAsync(
                $"/proc/{process}/comm", TestContext.Current.CancellationToken));
        }

        letterbox.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
        AssertSilent(letterbox.Output.Text + letterbox.Error.Text);
    }

    private static void AssertSilent(string said) =>
        Assert.All(s_pieces, piece => Assert.DoesNotContain(piece, said, StringComparison.OrdinalIgnoreCase));
}
