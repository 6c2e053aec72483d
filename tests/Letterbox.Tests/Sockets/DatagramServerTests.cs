// The socket server over real UDP: one datagram, one message, one answer.

using System.Net;
using System.Net.Sockets;
using System.Text;
using Letterbox.Configuration;
using Letterbox.Messages;
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
    [InlineData("username is not given", "NO username is missi\n")]
    [InlineData("name=krabaton&message=First+message", "NO username is missing\n")]
    [InlineData("{this JSON is broken}", "NO the message is no\n")]
    [InlineData("\0\0\u00ff\u00ffusername=krabaton", "NO the message is cu\n")]
    [InlineData("\0\0\0\0username=krabaton", "NO the length is not\n")]
    [InlineData("                     ?", "NO ask over TCP\n")]
    public async Task A_bad_datagram_is_answered_by_no_more_than_it_brought(string input, string expected)
    {
        using UdpClient client = Connect(Serve(new Mailbox()));
        Assert.Equal(expected, await AskAsync(client, Cuts.Bytes(input)));
        Assert.True(expected.Length <= input.Length);
        string answer = await AskAsync(client, Cuts.Bytes("username=a&message=b"));
        Assert.StartsWith("OK ", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("?")]
    [InlineData("username=a&message=")]
    [InlineData("{\"username\":\"a\",")]
    [InlineData("\0\0\0\u000fusername=a&mess")]
    public async Task What_is_shorter_than_any_message_gets_no_answer(string input)
    {
        Assert.True(input.Length < Message.EncodedBytesMin);
        using UdpClient client = Connect(Serve(new Mailbox()));
        await client.SendAsync(Cuts.Bytes(input));
        string next = await AskAsync(client, Cuts.Bytes("username=a&message=b"));
        Assert.StartsWith("OK ", next, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("username=a&message=b", 20)]
    [InlineData("\0\0\0\u0014username=a&message=b", 24)]
    [InlineData("{\"username\":\"a\",\"message\":\"b\"}", 30)]
    public void No_dialect_has_a_shorter_message(string shortest, int length)
    {
        byte[] bytes = Cuts.Bytes(shortest);
        Assert.Equal(length, bytes.Length);
        Assert.True(length >= Message.EncodedBytesMin);
        Assert.Equal(
            DecodeStatus.Complete, MessageDecoder.DecodeDatagram(bytes, TimeProvider.System).Status);
        for (int i = 0; i < length; i++)
        {
            byte[] shorter = [.. bytes[..i], .. bytes[(i + 1)..]];
            Decoded decoded = MessageDecoder.DecodeDatagram(shorter, TimeProvider.System);
            Assert.NotEqual(DecodeStatus.Complete, decoded.Status);
        }
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
    public async Task One_datagram_too_many_waits_in_the_sockets_buffer()
    {
        var mailbox = new Mailbox { Holds = true };
        IPEndPoint server = Serve(mailbox, new SocketLimits { DatagramsInFlightMax = 1 });
        using UdpClient first = Connect(server), second = Connect(server);
        Task<string> asking = AskAsync(first, Cuts.Bytes("username=a&message=b"));
        (Message message, TaskCompletionSource<Receipt> answer) = await mailbox.NextAsync();
        Task<string> later = AskAsync(second, Cuts.Bytes("username=c&message=d"));
        answer.SetResult(Receipt.Stored(message.Id));
        Assert.Equal($"OK {message.Id}\n", await asking);
        (message, answer) = await mailbox.NextAsync();
        answer.SetResult(Receipt.Stored(message.Id));
        Assert.Equal($"OK {message.Id}\n", await later);
    }

    [Fact]
    public async Task A_flood_makes_the_loop_rest_between_two_turns()
    {
        var time = new ManualTime();
        var mailbox = new Mailbox();
        using var server = new SocketServer(
            new Address("127.0.0.1", 0), mailbox.DeliverAsync,
            new SocketLimits { DatagramsInFlightMax = 1000 }, time, NullLogger.Instance);
        using UdpClient client = Connect(server.EndPoint);
        for (int i = 0; i < DatagramServer.BurstMax + 1; i++)
            await client.SendAsync(Cuts.Bytes("username=a&message=b"));
        server.Start();
        TimeSpan rest = await time.NextTimerAsync();
        Assert.Equal(DatagramServer.BurstMax, mailbox.Messages.Count);
        time.Advance(rest);
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        for (int i = 0; i < DatagramServer.BurstMax + 1; i++) await client.ReceiveAsync(timeout.Token);
        await server.DrainAsync(TimeSpan.FromSeconds(30));
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
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        return Encoding.ASCII.GetString((await client.ReceiveAsync(timeout.Token)).Buffer);
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
