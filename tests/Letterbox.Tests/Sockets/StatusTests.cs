// The question `?` and its answer: what a store says of itself, and what the web process makes of it.

using Letterbox.Configuration;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Sockets;

public sealed class StatusTests : IAsyncDisposable
{
    private static readonly LinkLimits s_limits = new();

    private readonly ManualTime _time = new();
    private readonly List<SocketServer> _servers = [];
    private IReadOnlyList<string> _notes = [];
    private Receipt? _answer;

    [Theory]
    [InlineData("?\n")]
    [InlineData("?\r\n")]
    [InlineData(" ?\n")]
    [InlineData("\n?\n")]
    [InlineData("\0\0\0\u0001?")]
    public async Task A_question_is_answered_in_its_turn_however_it_is_cut(string question)
    {
        Address store = Serve();
        foreach (byte[][] cut in Cuts.Of(Cuts.Bytes($"x\n{question}username=a&message=b\n")))
        {
            using SocketClient client = await ConnectAsync(store);
            foreach (byte[] piece in cut) await client.SendAsync(piece);
            Assert.StartsWith("NO ", await client.ReadLineAsync(), StringComparison.Ordinal);
            Assert.Equal("OK ready", await client.ReadLineAsync());
            Assert.StartsWith("OK ", await client.ReadLineAsync(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("OK ready")]
    [InlineData("OK 1 message is in quarantine", "1 message is in quarantine")]
    [InlineData("OK a; b ??", "a", "b \u00fc\n")]
    public async Task Notes_stand_in_one_line_of_plain_ascii(string line, params string[] notes)
    {
        _notes = notes;
        using SocketClient client = await ConnectAsync(Serve());
        await client.SendAsync("?\n");
        Assert.Equal(line, await client.ReadLineAsync());
    }

    [Fact]
    public async Task A_wait_counts_until_a_message_need_not_or_for_a_while_however_often_it_is_asked_for()
    {
        TimeSpan memory = new SocketLimits().WaitMemory;
        using SocketClient client = await ConnectAsync(Serve());
        Assert.Equal("OK ready", await AskAsync("?"));
        _answer = Receipt.Later("the disk is full");
        await AskAsync("username=a&message=b");
        Assert.Equal("WAIT the disk is full", await AskAsync("?"));
        Assert.StartsWith("NO ", await AskAsync("nonsense"), StringComparison.Ordinal);
        _time.Advance(memory - TimeSpan.FromTicks(1));
        Assert.Equal("WAIT the disk is full", await AskAsync("?"));
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.Equal("OK ready", await AskAsync("?"));
        await AskAsync("username=a&message=b");
        Assert.Equal("WAIT the disk is full", await AskAsync("?"));
        _answer = null;
        await AskAsync("username=a&message=b");
        Assert.Equal("OK ready", await AskAsync("?"));

        async Task<string?> AskAsync(string line)
        {
            await client.SendAsync($"{line}\n");
            return await client.ReadLineAsync();
        }
    }

    [Fact]
    public async Task The_web_process_hears_the_notes()
    {
        _notes = ["one", "two"];
        Readiness readiness = await Inquiry(Serve()).AskAsync();
        Assert.Empty(readiness.Reasons);
        Assert.Equal(["one", "two"], readiness.Notes);
        _notes = [];
        Assert.Empty((await Inquiry(Serve()).AskAsync()).Notes);
    }

    [Fact]
    public async Task A_store_that_takes_nothing_or_is_away_or_silent_is_told_with_its_address()
    {
        Address gone;
        using (var store = new ScriptedStore()) gone = store.Address;
        _answer = Receipt.Later("the disk is full");
        Address full = Serve();
        await StoreLink.SendOnceAsync([full], Texts.Message("a", "b"), TimeSpan.FromSeconds(30));
        Readiness readiness = await Inquiry(gone, full).AskAsync();
        string[] reasons =
        [
            $"the store at {gone} cannot be reached (ConnectionRefused)",
            $"the store at {full} takes no messages: the disk is full",
        ];
        Assert.Equal(reasons, readiness.Reasons);
        Assert.Empty(readiness.Notes);

        using var silent = new ScriptedStore();
        Task<Readiness> asking = Inquiry(silent.Address).AskAsync();
        using SocketClient connection = await silent.AcceptAsync();
        Assert.Equal("?", await connection.ReadLineAsync());
        await _time.ArmedAsync(s_limits.ProbeTimeout);
        _time.Advance(s_limits.ProbeTimeout);
        Assert.Equal([$"the store at {silent.Address} does not answer"], (await asking).Reasons);
    }

    [Fact]
    public async Task One_store_is_enough_and_what_is_wrong_with_the_others_is_a_note()
    {
        Address gone;
        using (var store = new ScriptedStore()) gone = store.Address;
        _notes = ["a note"];
        Address well = Serve();
        Readiness readiness = await Inquiry(gone, well).AskAsync();
        Assert.Empty(readiness.Reasons);
        Assert.Equal(
            [$"the store at {gone} cannot be reached (ConnectionRefused)", $"the store at {well}: a note"],
            readiness.Notes);
    }

    [Theory]
    [InlineData("NO username is missing\n")]
    [InlineData("OK \u00ff\n")]
    [InlineData("endless")]
    [InlineData("")]
    public async Task A_store_that_talks_nonsense_is_not_ready(string answer)
    {
        using var store = new ScriptedStore();
        Task<Readiness> asking = Inquiry(store.Address).AskAsync();
        using (SocketClient connection = await store.AcceptAsync())
        {
            await connection.ReadLineAsync();
            await connection.SendAsync(answer is "endless" ? new string('x', 300) : answer);
        }

        Assert.Equal([$"the store at {store.Address} does not answer"], (await asking).Reasons);
    }

    [Fact]
    public async Task However_many_ask_the_store_is_asked_once_a_second()
    {
        StoreProbe probe = Inquiry(Serve());
        Task<Readiness> first = probe.AskAsync();
        _time.Advance(s_limits.ProbeEvery - TimeSpan.FromTicks(1));
        Assert.Same(first, probe.AskAsync());
        await first;
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.NotSame(first, probe.AskAsync());
    }

    public async ValueTask DisposeAsync()
    {
        foreach (SocketServer server in _servers) await server.DrainAsync(TimeSpan.Zero);
    }

    private static Task<SocketClient> ConnectAsync(Address store) =>
        SocketClient.ConnectAsync((System.Net.IPEndPoint)store.ToConnect());

    private StoreProbe Inquiry(params Address[] stores) => new(stores, null, s_limits, _time);

    private Address Serve()
    {
        var address = new Address("127.0.0.1", 0);
        var server = new SocketServer(
            address, message => new(_answer ?? Receipt.Stored(message.Id)), new SocketLimits(), _time,
            NullLogger.Instance, state: () => new Readiness([], _notes));
        server.Start();
        _servers.Add(server);
        return address.WithPort(server.EndPoint.Port);
    }
}
