// Those who stand at the door of a store, or answer at its address, and are not who they should be: what they
// can cost whoever is.

using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Letterbox.Sockets;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Sockets;

public sealed class StrangersTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly SharedSecret s_secret = Secret();

    [Fact]
    public async Task Many_who_say_nothing_do_not_keep_out_one_who_knows_the_secret()
    {
        const int max = 3;
        using var server = new SocketServer(
            new Address("127.0.0.1", 0), static message => new(Receipt.Stored(message.Id)),
            new SocketLimits { UnprovenMax = max, HandshakeDeadline = s_patience }, TimeProvider.System,
            new RecordingLog(), s_secret);
        server.Start();
        var address = new Address("127.0.0.1", server.EndPoint.Port);
        var strangers = new List<SocketClient>();
        for (int i = 0; i < 4 * max; i++)
        {
            strangers.Add(await SocketClient.ConnectAsync((System.Net.IPEndPoint)address.ToConnect()));
            int open = Math.Min(i + 1, max);
            await Eventually.IsAsync(() => server.Connections == open);
        }

        Message message = Texts.Message("a", "b");
        Receipt receipt = await StoreLink.SendOnceAsync([address], message, s_patience, s_secret);
        Assert.Equal(Receipt.Stored(message.Id), receipt);
        foreach (SocketClient stranger in strangers) stranger.Dispose();
        Assert.Equal(0, await server.DrainAsync(s_patience));
    }

    [Fact]
    public void They_are_told_of_once_a_minute()
    {
        var time = new ManualTime();
        var log = new RecordingLog();
        var strangers = new Strangers(1, time, log);
        strangers.Refused(null, "first");
        for (int i = 0; i < 3; i++) strangers.Refused(null, "another");
        time.Advance(TimeSpan.FromMinutes(1));
        strangers.Refused(null, "last");
        Assert.Collection(
            log.Lines,
            line => Assert.Contains("first; nor were 0 others", line, StringComparison.Ordinal),
            line => Assert.Contains("last; nor were 3 others", line, StringComparison.Ordinal));
    }

    // .NET would look for the issuer of a certificate where the certificate says it is.
    [Fact]
    public async Task Whoever_answers_at_a_stores_address_does_not_choose_whom_the_client_talks_to()
    {
        using Socket chosen = Loopback.Listen(), listener = Loopback.Listen();
        using X509Certificate2 shown = Naming($"http://127.0.0.1:{chosen.Port()}/issuer.cer");
        using var deadline = new CancellationTokenSource(s_patience);
        var client = LinkConnection.ConnectAsync(
            new Address("127.0.0.1", listener.Port()), s_secret, deadline.Token);
        using Socket socket = await listener.AcceptAsync(deadline.Token);
        await using (var tls = new SslStream(new NetworkStream(socket, ownsSocket: true)))
        {
            // Offline, lest this side be the one that looks.
            var identity = SslStreamCertificateContext.Create(shown, null, offline: true);
            await tls.AuthenticateAsServerAsync(
                new SslServerAuthenticationOptions { ServerCertificateContext = identity }, deadline.Token);
            // The client's proof comes when it has looked at the certificate.
            await tls.ReadExactlyAsync(new byte[71], deadline.Token);
        }

        Assert.Null((await client).Connection);
        Assert.False(chosen.Poll(0, SelectMode.SelectRead), "somebody connects");
    }

    // A certificate with an issuer that it does not bring along, but says where to find.
    private static X509Certificate2 Naming(string place)
    {
        DateTimeOffset from = DateTimeOffset.UtcNow.AddDays(-1), to = from.AddDays(30);
        using var issuerKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var issuerRequest = new CertificateRequest("CN=issuer", issuerKey, HashAlgorithmName.SHA256);
        issuerRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using X509Certificate2 issuer = issuerRequest.CreateSelfSigned(from, to);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=stranger", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension(null, [place]));
        using X509Certificate2 made = request.Create(issuer, from, to, [1]);
        return made.CopyWithPrivateKey(key);
    }

    private static SharedSecret Secret()
    {
        Assert.True(SharedSecret.TryCreate(new string('s', 40), out SharedSecret? secret));
        return secret!;
    }
}
