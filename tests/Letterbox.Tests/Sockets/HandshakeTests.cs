// The secret: who knows it gets in, who does not gets nothing, on either side, and nobody can stand between.

using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Letterbox.Sockets;
using Letterbox.Tests.Fuzz;
using Letterbox.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Sockets;

public sealed class HandshakeTests : IAsyncDisposable
{
    private static readonly SharedSecret s_secret = Secret("0123456789abcdef0123456789abcdef");
    private static readonly SharedSecret s_other = Secret("0123456789abcdef0123456789abcdeF");
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private static readonly HashAlgorithmName s_sha256 = HashAlgorithmName.SHA256;

    private readonly Mailbox _mailbox = new();
    private readonly RecordingLog _log = new();
    private readonly List<SocketServer> _servers = [];

    [Theory]
    [MemberData(nameof(Texts.Legal), MemberType = typeof(Texts))]
    public async Task Every_legal_text_passes_between_two_who_know_the_secret(string name)
    {
        Message message = Texts.Message("krabaton", Texts.Of(name));
        Address store = Serve(s_secret);
        Receipt receipt = await StoreLink.SendOnceAsync([store], message, s_patience, s_secret);
        Assert.Equal(Receipt.Stored(message.Id), receipt);
        Assert.Equal(message.Text, Assert.Single(_mailbox.Messages).Text);
    }

    [Fact]
    public async Task Many_threads_share_one_link_through_tls()
    {
        await using StoreLink link = Link(Serve(s_secret), s_secret);
        await Parallel.ForAsync(0, 3000, new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (i, _) =>
        {
            Message message = Texts.Message("a", new string('x', i + 1));
            Assert.Equal(Receipt.Stored(message.Id), await link.DeliverAsync(message));
        });
        Assert.Equal(3000, _mailbox.Messages.DistinctBy(m => m.Id).Count());
        Assert.Equal(1, _servers[0].Connections);
    }

    [Fact]
    public async Task Who_knows_another_secret_or_none_or_meets_nobody_who_knows_one_gets_nowhere()
    {
        Address secretive = Serve(s_secret), open = Serve(null);
        string doubt = "it does not know our secret, or somebody stands in between";
        Assert.Equal(
            $"the store at {secretive} cannot be used: {doubt}",
            (await ConnectAsync(secretive, s_other)).Fault);
        Assert.Equal(
            $"the store at {open} cannot be used: its TLS handshake fails: has it a secret?",
            (await ConnectAsync(open, s_secret)).Fault);
        using LinkConnection? plain = (await ConnectAsync(secretive, null)).Connection;
        await plain!.SendAsync("username=a&message=b\n"u8.ToArray());
        byte[] said = new byte[100];
        int length = await plain.ReceiveAsync(said);
        Assert.DoesNotContain("OK", Encoding.Latin1.GetString(said, 0, length), StringComparison.Ordinal);
        Assert.Empty(_mailbox.Messages);
        // Told of the first; strangers do not fill the log.
        await _servers[0].DrainAsync(s_patience);
        Assert.Single(_log.Lines, line => line.Contains("is not let in: ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_store_that_cannot_prove_the_secret_hears_no_message()
    {
        using Socket listener = Loopback.Listen();
        using X509Certificate2 certificate = Handshake.MakeCertificate();
        var address = new Address("127.0.0.1", listener.Port());
        var client = ConnectAsync(address, s_secret);
        using Socket socket = await listener.AcceptAsync();
        await using var tls = new SslStream(new NetworkStream(socket));
        await tls.AuthenticateAsServerAsync(certificate);
        byte[] proof = new byte[71];
        await tls.ReadExactlyAsync(proof);
        // All he has is what the client sent him.
        await tls.WriteAsync(proof);
        (LinkConnection? connection, string? fault) = await client;
        Assert.Null(connection);
        Assert.Contains("somebody stands in between", fault, StringComparison.Ordinal);
        Assert.True(await EndsAsync(tls));
    }

    // He ends TLS on both sides and hands on what each side says.
    [Fact]
    public async Task A_man_in_the_middle_is_found_out_by_both()
    {
        Address store = Serve(s_secret);
        using Socket listener = Loopback.Listen();
        using X509Certificate2 certificate = Handshake.MakeCertificate();
        var client = ConnectAsync(new Address("127.0.0.1", listener.Port()), s_secret);
        using Socket near = await listener.AcceptAsync();
        await using var nearTls = new SslStream(new NetworkStream(near));
        await nearTls.AuthenticateAsServerAsync(certificate);
        await using SslStream farTls = await TlsAsync(store);
        byte[] proof = new byte[71];
        await nearTls.ReadExactlyAsync(proof);
        Assert.StartsWith("PROOF ", Encoding.ASCII.GetString(proof), StringComparison.Ordinal);
        await farTls.WriteAsync(proof);
        Assert.True(await EndsAsync(farTls));
        near.Dispose();
        Assert.Null((await client).Connection);
        await _servers[0].DrainAsync(s_patience);
        Assert.Contains(_log.Lines, l => l.Contains("does not know the secret", StringComparison.Ordinal));
        Assert.Empty(_mailbox.Messages);
    }

    // The store's own proof, which a client who knows the secret was given, lets nobody in.
    [Fact]
    public async Task A_proof_is_good_for_one_direction_only()
    {
        Address store = Serve(s_secret);
        await using SslStream first = await TlsAsync(store);
        byte[] bound = ((X509Certificate2)first.RemoteCertificate!).GetCertHash(s_sha256);
        await first.WriteAsync(Proof("letterbox client", bound));
        byte[] given = new byte[71];
        await first.ReadExactlyAsync(given);
        Assert.Equal(Proof("letterbox store", bound), given);
        await using SslStream second = await TlsAsync(store);
        await second.WriteAsync(given);
        Assert.True(await EndsAsync(second));
    }

    [Fact]
    public async Task Proof_and_messages_may_come_in_any_pieces()
    {
        Address store = Serve(s_secret);
        await using SslStream tls = await TlsAsync(store);
        byte[] bound = ((X509Certificate2)tls.RemoteCertificate!).GetCertHash(s_sha256);
        byte[] all =
            [.. Proof("letterbox client", bound), .. "\nusername=a&message=b\nusername=c&message=d\n?\n"u8];
        foreach (byte one in all) await tls.WriteAsync(new[] { one });
        using var lines = new StreamReader(tls, Encoding.ASCII);
        Assert.StartsWith("PROOF ", await lines.ReadLineAsync(), StringComparison.Ordinal);
        string?[] answers = [await lines.ReadLineAsync(), await lines.ReadLineAsync()];
        Assert.Equal(_mailbox.Messages.Select(m => $"OK {m.Id}"), answers);
        Assert.Equal("OK ready", await lines.ReadLineAsync());
        await tls.ShutdownAsync();
        Assert.Null(await lines.ReadLineAsync());
    }

    [Theory]
    [InlineData("")]
    [InlineData("username=a&message=b\n")]
    [InlineData("\u0016\u0003\u0001")]
    [InlineData("\u0016\u0003\u0001\u0000\u0005hello")]
    [InlineData("\u0016\u0003\u0001\u00ff\u00ff")]
    [InlineData("\0\0\0\u0014username=a&message=b")]
    public async Task Whatever_a_stranger_sends_he_is_dropped_and_only_his_connection(string input)
    {
        Address store = Serve(s_secret);
        using (SocketClient stranger = await SocketClient.ConnectAsync(_servers[0].EndPoint))
        {
            await stranger.SendAsync(input);
            stranger.EndSending();
            Assert.DoesNotContain("OK", string.Concat(await stranger.ReadToEndAsync()));
        }

        await StoreLink.SendOnceAsync([store], Texts.Message("a", "b"), s_patience, s_secret);
        Assert.Single(_mailbox.Messages);
        Assert.DoesNotContain(_log.Lines, line => line.Contains("fault", StringComparison.Ordinal));
    }

    [Fact]
    public async Task No_mangled_handshake_is_a_fault_of_the_program()
    {
        Address store = Serve(s_secret);
        var mutator = new Mutator([await HelloAsync(), Cuts.Bytes("PROOF 00\n")], seed: 1);
        for (int i = 0; i < 300; i++)
        {
            using SocketClient stranger = await SocketClient.ConnectAsync(_servers[0].EndPoint);
            await stranger.SendAsync(mutator.Next());
            stranger.EndSending();
            await stranger.ReadToEndAsync();
        }

        await StoreLink.SendOnceAsync([store], Texts.Message("a", "b"), s_patience, s_secret);
        Assert.Single(_mailbox.Messages);
        Assert.DoesNotContain(_log.Lines, line => line.Contains("fault", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Who_does_not_prove_in_time_is_dropped(bool afterTls)
    {
        var time = new ManualTime();
        Address store = Serve(s_secret, time);
        using var client = new TcpClient();
        await client.ConnectAsync(store.Host, store.Port);
        Stream stream = client.GetStream();
        if (afterTls) stream = await TlsAsync(client.Client);
        await time.ArmedAsync(new SocketLimits().HandshakeDeadline);
        time.Advance(new SocketLimits().HandshakeDeadline - TimeSpan.FromTicks(1));
        Task<bool> end = EndsAsync(stream);
        Assert.Equal(1, _servers[0].Connections);
        time.Advance(TimeSpan.FromTicks(1));
        Assert.True(await end);
    }

    [Fact]
    public async Task A_store_that_does_not_prove_in_time_is_left()
    {
        using Socket listener = Loopback.Listen();
        var time = new ManualTime();
        var limits = new LinkLimits { DrainPatience = TimeSpan.Zero };
        var address = new Address("127.0.0.1", listener.Port());
        await using var link = new StoreLink([address], limits, time, NullLogger.Instance, s_secret);
        link.Start();
        using Socket silent = await listener.AcceptAsync();
        Assert.NotEqual(0, await silent.ReceiveAsync(new byte[1]));
        await time.ArmedAsync(limits.ConnectDeadline);
        time.Advance(limits.ConnectDeadline);
        await time.ArmedAsync(limits.BackOffMin);
        string fault = $"the store at {address} cannot be used: its handshake is not done in time";
        Assert.Equal(fault, link.Fault);
    }

    [Fact]
    public void With_a_secret_there_are_no_datagrams()
    {
        int port = Serve(s_secret).Port;
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
    }

    [Fact]
    public async Task A_pause_of_the_sender_loses_nothing_through_tls()
    {
        var time = new ManualTime();
        Address store = Serve(s_secret, time);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(store.ToConnect());
        (Wire? wire, string? fault) =
            await Handshake.ConnectAsync(socket, s_secret, CancellationToken.None);
        Assert.Null(fault);
        TimeSpan quiet = new SocketLimits().Quiet;
        await wire!.SendAsync("\nusername=a&mess"u8.ToArray());
        await time.ArmedAsync(quiet);
        time.Advance(quiet);
        await time.ArmedAsync(quiet);
        await wire.SendAsync("age=b\n"u8.ToArray());
        byte[] answer = new byte[64];
        Assert.Equal(28, await wire.ReceiveAsync(answer));
        Assert.Equal("b", Assert.Single(_mailbox.Messages).Text);
        wire.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (SocketServer server in _servers) await server.DrainAsync(TimeSpan.Zero);
    }

    private static SharedSecret Secret(string text)
    {
        Assert.True(SharedSecret.TryCreate(text, out SharedSecret? secret));
        return secret!;
    }

    private static StoreLink Link(Address store, SharedSecret secret)
    {
        StoreLink link = new([store], new LinkLimits(), TimeProvider.System, NullLogger.Instance, secret);
        link.Start();
        return link;
    }

    private static async Task<(LinkConnection? Connection, string? Fault)> ConnectAsync(
        Address store, SharedSecret? secret)
    {
        using var deadline = new CancellationTokenSource(s_patience);
        return await LinkConnection.ConnectAsync(store, secret, deadline.Token);
    }

    private static async Task<SslStream> TlsAsync(Address store)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(store.ToConnect());
        return await TlsAsync(socket);
    }

    private static async Task<SslStream> TlsAsync(Socket socket)
    {
        var bytes = new NetworkStream(socket, ownsSocket: true);
        var tls = new SslStream(bytes, false, (_, shown, _, _) => shown is not null);
        await tls.AuthenticateAsClientAsync("");
        return tls;
    }

    // Politely or by a reset, and without another byte.
    private static async Task<bool> EndsAsync(Stream stream)
    {
        try
        {
            return await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(s_patience) == 0;
        }
        catch (IOException)
        {
            return true;
        }
    }

    // What a client who speaks TLS sends first.
    private static async Task<byte[]> HelloAsync()
    {
        using Socket listener = Loopback.Listen();
        var client = ConnectAsync(new Address("127.0.0.1", listener.Port()), s_secret);
        byte[] hello = new byte[4096];
        int length;
        using (Socket socket = await listener.AcceptAsync()) length = await socket.ReceiveAsync(hello);
        Assert.Null((await client).Connection);
        return hello[..length];
    }

    private static byte[] Proof(string label, byte[] bound)
    {
        byte[] proof = s_secret.Sign(Encoding.ASCII.GetBytes(label), bound);
        return Encoding.ASCII.GetBytes($"PROOF {Convert.ToHexStringLower(proof)}\n");
    }

    private Address Serve(SharedSecret? secret, TimeProvider? time = null)
    {
        var address = new Address("127.0.0.1", 0);
        var server = new SocketServer(
            address, _mailbox.DeliverAsync, new SocketLimits(), time ?? TimeProvider.System, _log, secret);
        server.Start();
        _servers.Add(server);
        return address.WithPort(server.EndPoint.Port);
    }
}
