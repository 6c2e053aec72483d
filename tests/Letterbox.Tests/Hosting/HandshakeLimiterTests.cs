// Clients that are not authenticated: they cannot keep an honest one out, nor fill the log.

using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Hosting;

public sealed class HandshakeLimiterTests
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Many_silent_clients_do_not_keep_an_authenticated_one_out()
    {
        const int max = 3;
        using var certificates = new Certificates();
        using MutualTls tls = MutualTls.Load(certificates.SelfSigned("ours"))!;
        using var server = new SocketServer(
            new Address("127.0.0.1", 0), static message => new(Receipt.Stored(message.Id)),
            new SocketLimits { UnauthenticatedMax = max, HandshakeTimeout = s_timeout }, TimeProvider.System,
            new RecordingLog(), tls);
        server.Start();
        var address = new Address("127.0.0.1", server.EndPoint.Port);
        var silent = new List<SocketClient>();
        for (int i = 0; i < 4 * max; i++)
        {
            silent.Add(await SocketClient.ConnectAsync((System.Net.IPEndPoint)address.ToConnect()));
            int open = Math.Min(i + 1, max);
            await Eventually.IsAsync(() => server.Connections == open);
        }

        Message message = Texts.Message("a", "b");
        Receipt receipt = await StoreLink.SendOnceAsync([address], message, s_timeout, tls);
        Assert.Equal(Receipt.Stored(message.Id), receipt);
        foreach (SocketClient client in silent) client.Dispose();
        Assert.Equal(0, await server.DrainAsync(s_timeout));
    }

    [Fact]
    public void Rejected_clients_are_logged_once_a_minute()
    {
        var time = new ManualTime();
        var log = new RecordingLog();
        var limiter = new HandshakeLimiter(1, time, log);
        limiter.LogRejected(null, "first");
        for (int i = 0; i < 3; i++) limiter.LogRejected(null, "another");
        time.Advance(TimeSpan.FromMinutes(1));
        limiter.LogRejected(null, "last");
        Assert.Collection(
            log.Lines,
            line => Assert.Contains("first; 0 others", line, StringComparison.Ordinal),
            line => Assert.Contains("last; 3 others", line, StringComparison.Ordinal));
    }
}
