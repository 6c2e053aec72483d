// The socket server over real UDP: one datagram, one message, one answer.

using System.Net;
using System.Net.Sockets;
using System.Text;
using Letterbox.Sockets;
using Letterbox.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Sockets;

public sealed class DatagramServerTests : IAsyncDisposable
{
    private readonly List<SocketServer> _servers = [];

    [Theory]
    [InlineData("username=krabaton&message=First+message")]
    [InlineData("username=krabaton&message=First+message\n")]
    [InlineData("{\"username\":\"krabaton\",\"message\":\"First message\"}")]
    [InlineData("\0\0\0\u0027username=krabaton&message=First+message")]
    public async Task Each_dialect_is_stored_and_answered_with_its_key(string input)
    {
        var mailbox = new Mailbox();
        using UdpClient client = Connect(Serve(mailbox));
        string answer = await AskAsync(client, Cuts.Bytes(input));
        Message message = Assert.Single(mailbox.Messages);
        Assert.Equal($"OK {message.Id}\n", answer);
        Assert.Equal(("krabaton", "First message"), (message.Username, message.Text));
    }

    [Theory]
    [MemberData(nameof(Texts.Legal), MemberType = typeof(Texts))]
    public async Task Every_legal_text_arrives_as_it_was_typed(string name)
    {
        var mailbox = new Mailbox();
        using UdpClient client = Connect(Serve(mailbox));
        Message message = Texts.Message("krabaton", Texts.Of(name));
        byte[] line = new byte[FormEncoder.BytesMax(message)];
        string answer = await AskAsync(client, line[..FormEncoder.Write(message, line)]);
        Assert.Equal($"OK {message.Id}\n", answer);
        Assert.Equal(message.Text, Assert.Single(mailbox.Messages).Text);
    }

    [Theory]
    [InlineData("", "NO the datagram is empty\n")]
    [InlineData("garbage", "NO username is missing\n")]
    [InlineData("{broken", "NO the message is cut off\n")]
    [InlineData("\0\0\u00ff\u00ffx", "NO the message is cut off\n")]
    [InlineData("\0\0\0\0", "NO the length is not between 1 and 65536\n")]
    public async Task A_bad_datagram_is_answered_and_the_next_is_served(string input, string expected)
    {
        using UdpClient client = Connect(Serve(new Mailbox()));
        Assert.Equal(expected, await AskAsync(client, Cuts.Bytes(input)));
        string answer = await AskAsync(client, Cuts.Bytes("username=a&message=b"));
        Assert.StartsWith("OK ", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("OK 65f0c0ffee0123456789abcd\n")]
    [InlineData("NO username is missing\n")]
    [InlineData("WAIT too many datagrams at once\n")]
    public async Task An_answer_is_never_answered(string answer)
    {
        // With a forged sender, two servers that answered each other's answers would never stop.
        using UdpClient client = Connect(Serve(new Mailbox()));
        await client.SendAsync(Cuts.Bytes(answer));
        string next = await AskAsync(client, Cuts.Bytes("username=a&message=b"));
        Assert.StartsWith("OK ", next, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_longest_datagram_is_answered_too()
    {
        using UdpClient client = Connect(Serve(new Mailbox()));
        const int LongestOverIPv4 = 65_507;
        string answer = await AskAsync(client, new byte[LongestOverIPv4].Select(_ => (byte)'x').ToArray());
        Assert.Equal("NO username is missing\n", answer);
    }

    [Fact]
    public async Task Senders_that_are_gone_when_their_answer_comes_harm_nobody()
    {
        var mailbox = new Mailbox { Holds = true };
        IPEndPoint server = Serve(mailbox);
        for (int i = 0; i < 10; i++)
        {
            using UdpClient gone = Connect(server);
            await gone.SendAsync(Cuts.Bytes("username=a&message=b"));
            (Message message, TaskCompletionSource<Receipt> answer) = await mailbox.NextAsync();
            gone.Dispose();
            answer.SetResult(Receipt.Stored(message.Id));
        }

        using UdpClient client = Connect(server);
        Task<string> asking = AskAsync(client, Cuts.Bytes("username=a&message=b"));
        (await mailbox.NextAsync()).Answer.SetResult(Receipt.Later("full"));
        Assert.Equal("WAIT full\n", await asking);
    }

    [Fact]
    public async Task One_datagram_too_many_is_told_to_wait_and_not_handed_on()
    {
        var mailbox = new Mailbox { Holds = true };
        IPEndPoint server = Serve(mailbox, new SocketLimits { DatagramsInFlightMax = 1 });
        using UdpClient first = Connect(server);
        Task<string> asking = AskAsync(first, Cuts.Bytes("username=a&message=b"));
        (Message message, TaskCompletionSource<Receipt> answer) = await mailbox.NextAsync();
        using UdpClient second = Connect(server);
        string wait = await AskAsync(second, Cuts.Bytes("username=c&message=d"));
        Assert.Equal("WAIT too many datagrams at once\n", wait);
        answer.SetResult(Receipt.Stored(message.Id));
        Assert.Equal($"OK {message.Id}\n", await asking);
        Assert.Single(mailbox.Messages);
    }

    [Fact]
    public async Task Whoever_accepts_may_fail_and_the_next_datagram_is_served()
    {
        int calls = 0;
        IPEndPoint server = Serve(message => Interlocked.Increment(ref calls) == 1
            ? throw new InvalidOperationException("a bug")
            : new ValueTask<Receipt>(Receipt.Stored(message.Id)));
        using UdpClient client = Connect(server);
        await client.SendAsync(Cuts.Bytes("username=a&message=b"));
        string answer = await AskAsync(client, Cuts.Bytes("username=a&message=b"));
        Assert.StartsWith("OK ", answer, StringComparison.Ordinal);
        Assert.Equal(2, calls);
    }

    [Fact]
    public async Task At_the_stop_what_was_received_is_answered()
    {
        var mailbox = new Mailbox { Holds = true };
        IPEndPoint server = Serve(mailbox);
        using UdpClient client = Connect(server);
        Task<string> asking = AskAsync(client, Cuts.Bytes("username=a&message=b"));
        (Message message, TaskCompletionSource<Receipt> answer) = await mailbox.NextAsync();
        Task<int> draining = _servers[0].DrainAsync(TimeSpan.FromSeconds(30));
        answer.SetResult(Receipt.Stored(message.Id));
        Assert.Equal($"OK {message.Id}\n", await asking);
        Assert.Equal(0, await draining);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (SocketServer server in _servers) await server.DrainAsync(TimeSpan.Zero);
    }

    private static UdpClient Connect(IPEndPoint server)
    {
        var client = new UdpClient();
        client.Connect(server);
        return client;
    }

    private static async Task<string> AskAsync(UdpClient client, byte[] datagram)
    {
        await client.SendAsync(datagram);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        return Encoding.ASCII.GetString((await client.ReceiveAsync(patience.Token)).Buffer);
    }

    private IPEndPoint Serve(Mailbox mailbox, SocketLimits? limits = null) =>
        Serve(mailbox.DeliverAsync, limits);

    private IPEndPoint Serve(Deliver accept, SocketLimits? limits = null)
    {
        var address = new Address("127.0.0.1", 0);
        limits ??= new SocketLimits();
        var server = new SocketServer(address, accept, limits, TimeProvider.System, NullLogger.Instance);
        server.Start();
        _servers.Add(server);
        return server.EndPoint;
    }
}
