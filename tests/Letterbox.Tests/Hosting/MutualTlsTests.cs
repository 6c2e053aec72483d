// TLS with certificates on both sides: who is accepted, who is not, and what a client that is not can do.

using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Fuzz;
using Letterbox.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Hosting;

public sealed class MutualTlsTests : IAsyncDisposable
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(30);

    private readonly Certificates _certificates = new();
    private readonly Mailbox _mailbox = new();
    private readonly RecordingLog _log = new();
    private readonly List<SocketServer> _servers = [];
    private readonly Settings _pair;
    private readonly MutualTls _tls;

    public MutualTlsTests()
    {
        _pair = _certificates.SelfSigned("ours");
        _tls = MutualTls.Load(_pair)!;
    }

    [Theory]
    [MemberData(nameof(Texts.Legal), MemberType = typeof(Texts))]
    public async Task Every_legal_text_passes_between_two_with_the_same_certificate(string name)
    {
        Message message = Texts.Message("krabaton", Texts.Of(name));
        Receipt receipt = await StoreLink.SendOnceAsync([Serve(_tls)], message, s_timeout, _tls);
        Assert.Equal(Receipt.Stored(message.Id), receipt);
        Assert.Equal(message.Text, Assert.Single(_mailbox.Messages).Text);
    }

    [Fact]
    public async Task Many_threads_share_one_link_through_tls()
    {
        await using StoreLink link =
            new([Serve(_tls)], new LinkLimits(), TimeProvider.System, NullLogger.Instance, _tls);
        link.Start();
        await Parallel.ForAsync(0, 3000, new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (i, _) =>
        {
            Message message = Texts.Message("a", new string('x', i + 1));
            Assert.Equal(Receipt.Stored(message.Id), await link.DeliverAsync(message));
        });
        Assert.Equal(3000, _mailbox.Messages.DistinctBy(m => m.Id).Count());
        Assert.Equal(1, _servers[0].Connections);
    }

    // Two hosts with certificates of their own, or a mistake in one of them.
    [Theory]
    [InlineData("ca", "127.0.0.1", -1, 30, null)]
    [InlineData("ca", "elsewhere.example", -1, 30, "its certificate is for another host name")]
    [InlineData("other", "127.0.0.1", -1, 30, "its certificate is not from the configured CA")]
    [InlineData("ca", "127.0.0.1", -30, -1, "the configured CA, or not valid today")]
    [InlineData("ca", "127.0.0.1", 1, 30, "the configured CA, or not valid today")]
    public async Task A_stores_certificate_is_checked_for_its_chain_its_dates_and_its_name(
        string authority, string host, int from, int to, string? failure)
    {
        using MutualTls web = MutualTls.Load(_certificates.Issued("ca", "web.example"))!;
        Settings storeFiles = _certificates.Issued(authority, host, from, to);
        using MutualTls store = MutualTls.Load(storeFiles with { TlsAuthority = Ca("ca") })!;
        (LinkConnection? connection, string? reported) = await ConnectAsync(Serve(store), web);
        Assert.Equal(failure is null, connection is not null);
        if (failure is not null) Assert.Contains(failure, reported, StringComparison.Ordinal);
        connection?.Dispose();
    }

    [Theory]
    [InlineData("ca", -1, 30, true)]
    [InlineData("other", -1, 30, false)]
    [InlineData("ca", -30, -1, false)]
    public async Task A_clients_certificate_is_checked_for_its_chain_and_its_dates(
        string authority, int from, int to, bool accepted)
    {
        using MutualTls store = MutualTls.Load(_certificates.Issued("ca", "127.0.0.1"))!;
        Settings files = _certificates.Issued(authority, "web.example", from, to);
        using MutualTls web = MutualTls.Load(files with { TlsAuthority = Ca("ca") })!;
        (LinkConnection? connection, string? reported) = await ConnectAsync(Serve(store), web);
        Assert.Equal(accepted, connection is not null);
        if (!accepted) Assert.EndsWith("does not accept our certificate", reported, StringComparison.Ordinal);
        connection?.Dispose();
    }

    [Fact]
    public async Task The_same_certificate_is_accepted_when_it_has_expired()
    {
        using MutualTls expired = MutualTls.Load(_certificates.Issued("ca", "elsewhere", -30, -1))!;
        (LinkConnection? connection, _) = await ConnectAsync(Serve(expired), expired);
        Assert.NotNull(connection);
        connection.Dispose();
    }

    [Fact]
    public async Task Another_self_signed_certificate_a_plain_client_and_a_plain_store_get_nowhere()
    {
        Address store = Serve(_tls), plainStore = Serve(null);
        using MutualTls other = MutualTls.Load(_certificates.SelfSigned("other"))!;
        Assert.Equal(
            $"the store at {store} cannot be used: its certificate is not the same as ours, and no CA is "
            + "configured",
            (await ConnectAsync(store, other)).Failure);
        Assert.StartsWith(
            $"the store at {plainStore} cannot be used: its TLS handshake failed",
            (await ConnectAsync(plainStore, _tls)).Failure, StringComparison.Ordinal);
        using LinkConnection? plain = (await ConnectAsync(store, null)).Connection;
        await plain!.SendAsync("username=a&message=b\n"u8.ToArray());
        Assert.DoesNotContain("OK", Encoding.Latin1.GetString(await plain.ReceiveLineAsync()));
        Assert.Empty(_mailbox.Messages);
        // The first is logged; the others are counted.
        await _servers[0].DrainAsync(s_timeout);
        Assert.Single(_log.Lines, line => line.Contains("is rejected: ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_client_without_a_certificate_is_rejected_before_it_is_read()
    {
        await using SslStream tls = await RawAsync(Serve(_tls), null);
        Assert.True(await EndsAsync(tls));
        Assert.Empty(_mailbox.Messages);
    }

    [Fact]
    public async Task Messages_may_come_in_any_pieces()
    {
        await using SslStream tls = await RawAsync(Serve(_tls), _pair);
        foreach (byte one in "\nusername=a&message=b\nusername=c&message=d\n?\n"u8.ToArray())
            await tls.WriteAsync(new[] { one });
        using var lines = new StreamReader(tls, Encoding.ASCII);
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
    public async Task What_is_no_handshake_ends_its_own_connection_only(string input)
    {
        Address store = Serve(_tls);
        using (SocketClient client = await SocketClient.ConnectAsync(_servers[0].EndPoint))
        {
            await client.SendAsync(input);
            client.EndSending();
            Assert.DoesNotContain("OK", string.Concat(await client.ReadToEndAsync()));
        }

        await AssertServesAsync(store);
    }

    [Fact]
    public async Task No_mangled_handshake_is_a_fault_of_the_program()
    {
        Address store = Serve(_tls);
        var mutator = new Mutator([await HelloAsync()], seed: 1);
        for (int i = 0; i < 300; i++)
        {
            using SocketClient client = await SocketClient.ConnectAsync(_servers[0].EndPoint);
            await client.SendAsync(mutator.Next());
            client.EndSending();
            await client.ReadToEndAsync();
        }

        await AssertServesAsync(store);
    }

    [Fact]
    public async Task A_handshake_that_is_not_done_in_time_is_ended()
    {
        var time = new ManualTime();
        Address store = Serve(_tls, time);
        using var client = new TcpClient();
        await client.ConnectAsync(store.Host, store.Port);
        TimeSpan limit = new SocketLimits().HandshakeTimeout;
        await time.ArmedAsync(limit);
        time.Advance(limit - TimeSpan.FromTicks(1));
        Task<bool> end = EndsAsync(client.GetStream());
        Assert.Equal(1, _servers[0].Connections);
        time.Advance(TimeSpan.FromTicks(1));
        Assert.True(await end);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_store_that_does_not_answer_in_time_is_left(bool afterTls)
    {
        using Socket listener = Loopback.Listen();
        var time = new ManualTime();
        var limits = new LinkLimits { DrainTimeout = TimeSpan.Zero };
        var address = new Address("127.0.0.1", listener.Port());
        await using var link = new StoreLink([address], limits, time, NullLogger.Instance, _tls);
        link.Start();
        using Socket silent = await listener.AcceptAsync();
        await using var tls = new SslStream(new NetworkStream(silent));
        if (afterTls)
        {
            using var own = X509Certificate2.CreateFromPemFile(_pair.TlsCertificate!, _pair.TlsKey);
            await tls.AuthenticateAsServerAsync(own, false, false);
            Assert.NotEqual(0, await tls.ReadAsync(new byte[1]));
        }
        else
        {
            Assert.NotEqual(0, await silent.ReceiveAsync(new byte[1]));
        }

        await time.ArmedAsync(limits.ConnectTimeout);
        time.Advance(limits.ConnectTimeout);
        await time.ArmedAsync(limits.BackOffMin);
        string failure = afterTls
            ? $"the store at {address} does not accept our certificate"
            : $"the store at {address} cannot be used: its TLS handshake timed out";
        Assert.Equal(failure, link.Failure);
    }

    [Fact]
    public void With_tls_there_are_no_datagrams()
    {
        int port = Serve(_tls).Port;
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
    }

    [Fact]
    public async Task A_pause_of_the_sender_loses_nothing_through_tls()
    {
        var time = new ManualTime();
        Address store = Serve(_tls, time);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(store.ToConnect());
        (Transport? transport, string? failure) = await _tls.ConnectAsync(socket, "", CancellationToken.None);
        Assert.Null(failure);
        TimeSpan quiet = new SocketLimits().QuietTimeout;
        await transport!.SendAsync("\nusername=a&mess"u8.ToArray());
        await time.ArmedAsync(quiet);
        time.Advance(quiet);
        await time.ArmedAsync(quiet);
        await transport.SendAsync("age=b\n"u8.ToArray());
        byte[] answer = new byte[64];
        Assert.Equal(28, await transport.ReceiveAsync(answer));
        Assert.Equal("b", Assert.Single(_mailbox.Messages).Text);
        transport.Dispose();
    }

    // .NET would fetch the issuer of a certificate from where the certificate says it is.
    [Fact]
    public async Task A_certificate_does_not_choose_what_the_client_connects_to()
    {
        using Socket chosen = Loopback.Listen();
        string place = $"http://127.0.0.1:{chosen.Port()}/issuer.cer";
        using MutualTls store = MutualTls.Load(
            _certificates.Issued("unknown", "127.0.0.1", at: place) with { TlsAuthority = null })!;
        using MutualTls web = MutualTls.Load(_certificates.Issued("ca", "web.example"))!;
        Assert.Null((await ConnectAsync(Serve(store), web)).Connection);
        Assert.False(chosen.Poll(0, SelectMode.SelectRead), "the issuer was fetched");
    }

    [Theory]
    [InlineData("LETTERBOX_TLS_CERT", "")]
    [InlineData("LETTERBOX_TLS_CERT", "no certificate")]
    [InlineData("LETTERBOX_TLS_CERT", null)]
    [InlineData("LETTERBOX_TLS_KEY", null)]
    [InlineData("LETTERBOX_TLS_CA", "no certificate")]
    [InlineData("LETTERBOX_TLS_CA", null)]
    public void A_file_that_cannot_be_used_is_named(string variable, string? content)
    {
        string path = content is null ? "/no/such/file" : _certificates.File("wrong", content);
        Settings settings = variable switch
        {
            "LETTERBOX_TLS_CERT" => _pair with { TlsCertificate = path },
            "LETTERBOX_TLS_KEY" => _pair with { TlsKey = path },
            _ => _pair with { TlsAuthority = path },
        };
        string text = Assert.Throws<SettingsException>(() => MutualTls.Load(settings)).Message;
        Assert.StartsWith($"{variable} is \"{path}\": it cannot be used: ", text, StringComparison.Ordinal);
    }

    // docs/PROTOCOL.md shows these clients.
    [Theory]
    [InlineData("openssl s_client -quiet -connect 127.0.0.1:$PORT -cert $CRT -key $KEY -CAfile $CRT")]
    [InlineData("python3 -c \"$CLIENT\"")]
    public async Task Other_programs_can_speak_it(string command)
    {
        const string client = """
            import os, socket, ssl
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            tls.check_hostname = False
            tls.load_verify_locations(os.environ["CRT"])
            tls.load_cert_chain(os.environ["CRT"], os.environ["KEY"])
            with socket.create_connection(("127.0.0.1", int(os.environ["PORT"]))) as tcp:
                with tls.wrap_socket(tcp) as s:
                    s.sendall(b"\nusername=a&message=b\n")
                    print(s.makefile("r").readline(), end="")
            """;
        const string input = "(echo; echo 'username=a&message=b'; sleep 30)";
        var start = new ProcessStartInfo("sh", ["-c", $"{input} | {command}"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment =
            {
                ["PORT"] = $"{Serve(_tls).Port}", ["CRT"] = _pair.TlsCertificate, ["KEY"] = _pair.TlsKey,
                ["CLIENT"] = client,
            },
        };
        using var process = System.Diagnostics.Process.Start(start)!;
        string? line = await process.StandardOutput.ReadLineAsync().WaitAsync(s_timeout);
        process.Kill(entireProcessTree: true);
        Assert.Equal($"OK {Assert.Single(_mailbox.Messages).Id}", line);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (SocketServer server in _servers) await server.DrainAsync(TimeSpan.Zero);
        _tls.Dispose();
        _certificates.Dispose();
    }

    private string Ca(string name) => _certificates.Issued(name, "any").TlsAuthority!;

    private async Task AssertServesAsync(Address store)
    {
        await StoreLink.SendOnceAsync([store], Texts.Message("a", "b"), s_timeout, _tls);
        Assert.Single(_mailbox.Messages);
        Assert.DoesNotContain(_log.Lines, line => line.Contains("unexpectedly", StringComparison.Ordinal));
    }

    private static async Task<(LinkConnection? Connection, string? Failure)> ConnectAsync(
        Address store, MutualTls? tls)
    {
        using var deadline = new CancellationTokenSource(s_timeout);
        return await LinkConnection.ConnectAsync(store, tls, deadline.Token);
    }

    private static async Task<SslStream> RawAsync(Address store, Settings? files)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(store.ToConnect());
        var stream = new NetworkStream(socket, ownsSocket: true);
        var tls = new SslStream(stream, false, (_, shown, _, _) => shown is not null);
        X509CertificateCollection own = files is null
            ? []
            : [X509Certificate2.CreateFromPemFile(files.TlsCertificate!, files.TlsKey)];
        await tls.AuthenticateAsClientAsync("", own, checkCertificateRevocation: false);
        return tls;
    }

    // In order or by a reset, and without another byte.
    private static async Task<bool> EndsAsync(Stream stream)
    {
        try
        {
            return await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(s_timeout) == 0;
        }
        catch (IOException)
        {
            return true;
        }
    }

    // What a client that speaks TLS sends first.
    private async Task<byte[]> HelloAsync()
    {
        using Socket listener = Loopback.Listen();
        var client = ConnectAsync(new Address("127.0.0.1", listener.Port()), _tls);
        byte[] hello = new byte[4096];
        int length;
        using (Socket socket = await listener.AcceptAsync()) length = await socket.ReceiveAsync(hello);
        Assert.Null((await client).Connection);
        return hello[..length];
    }

    private Address Serve(MutualTls? tls, TimeProvider? time = null)
    {
        var address = new Address("127.0.0.1", 0);
        var server = new SocketServer(
            address, _mailbox.DeliverAsync, new SocketLimits(), time ?? TimeProvider.System, _log, tls);
        server.Start();
        _servers.Add(server);
        return address.WithPort(server.EndPoint.Port);
    }
}
