// The question `?id=<id>` and its answer: what a store knows of a receipt, and what the web process makes of
// the answers of several.

using System.Net;
using Letterbox.Configuration;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Sockets;

public sealed class ReceiptTests : IAsyncDisposable
{
    private const string Date = "2022-10-29 20:20:58.020261";
    private static readonly MessageKey s_id = MessageKey.New(TimeProvider.System);
    private static readonly FoundReceipt s_stored = new(ReceiptState.Stored, Date);
    private static readonly FoundReceipt s_unknown = new(ReceiptState.Unknown);
    private readonly List<SocketServer> _servers = [];

    [Fact]
    public async Task A_question_is_answered_in_its_turn_however_it_is_cut()
    {
        Address store = Serve(s_stored);
        foreach (byte[][] cut in Cuts.Of(Cuts.Bytes($"\n?id={s_id}\nusername=a&message=b\n?id=x\n")))
        {
            using SocketClient client = await SocketClient.ConnectAsync((IPEndPoint)store.ToConnect());
            foreach (byte[] piece in cut) await client.SendAsync(piece);
            Assert.Equal($"OK {Date}", await client.ReadLineAsync());
            Assert.StartsWith("OK ", await client.ReadLineAsync(), StringComparison.Ordinal);
            Assert.StartsWith("NO ", await client.ReadLineAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_datagram_asks_for_nothing() => Assert.Equal(
        "ask over TCP", MessageDecoder.DecodeDatagram(Cuts.Bytes($"?id={s_id}"), TimeProvider.System).Reason);

    [Fact]
    public async Task Any_store_may_have_it_and_all_have_to_say_that_they_have_not()
    {
        Address gone;
        using (var closed = new ScriptedStore()) gone = closed.Address;
        Address has = Serve(s_stored), hasNot = Serve(s_unknown), cannotSay = Serve(default);
        Assert.Equal(s_stored, await Probe(hasNot, has).FindAsync(s_id));
        Assert.Equal(s_stored, await Probe(gone, cannotSay, has).FindAsync(s_id));
        Assert.Equal(s_unknown, await Probe(hasNot, hasNot).FindAsync(s_id));
        Assert.Equal(default, await Probe(hasNot, gone).FindAsync(s_id));
        Assert.Equal(default, await Probe(cannotSay, hasNot).FindAsync(s_id));
    }

    [Theory]
    [InlineData("NO username is missing\n")] // an earlier version
    [InlineData("OK ready\n")]
    [InlineData("OK 2022-10-29\n")]
    [InlineData("")]
    public async Task Another_answer_says_nothing(string answer)
    {
        using var store = new ScriptedStore();
        Task<FoundReceipt> asking = Probe(store.Address).FindAsync(s_id).AsTask();
        using (SocketClient connection = await store.AcceptAsync())
        {
            Assert.Equal($"?id={s_id}", await connection.ReadLineAsync());
            await connection.SendAsync(answer);
        }

        Assert.Equal(default, await asking);
    }

    [Fact]
    public async Task A_flood_of_questions_takes_few_connections()
    {
        using var store = new ScriptedStore();
        StoreProbe probe = Probe(store.Address);
        Task<FoundReceipt>[] asking =
            [.. Enumerable.Range(0, 16).Select(_ => probe.FindAsync(s_id).AsTask())];
        Assert.Equal(default, await probe.FindAsync(s_id));
        foreach (Task<FoundReceipt> _ in asking)
        {
            using SocketClient connection = await store.AcceptAsync();
            await connection.ReadLineAsync();
            await connection.SendAsync("NO unknown receipt\n");
        }

        Assert.All(await Task.WhenAll(asking), static found => Assert.Equal(s_unknown, found));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (SocketServer server in _servers)
        {
            await server.DrainAsync(TimeSpan.FromSeconds(5));
            server.Dispose();
        }
    }

    private static StoreProbe Probe(params Address[] stores) =>
        new(stores, null, new LinkLimits(), TimeProvider.System);

    private Address Serve(FoundReceipt found)
    {
        var server = new SocketServer(
            new Address("127.0.0.1", 0), static message => new(Receipt.Stored(message.Id)),
            new SocketLimits(), TimeProvider.System, NullLogger.Instance)
        {
            Find = id => id == s_id ? found : s_unknown,
        };
        server.Start();
        _servers.Add(server);
        return new Address("127.0.0.1", server.EndPoint.Port);
    }
}
