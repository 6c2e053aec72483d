// The web process, port 3000, put together from top to bottom: this file is the diagram.
//
//   browser ──▶ Listener ──▶ HttpServer ──▶ LetterboxSite ──▶ StoreLink ──TCP──▶ a store process

using System.Net.Sockets;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Http;
using Letterbox.Messages;
using Letterbox.Site;
using Letterbox.Sockets;
using Microsoft.Extensions.Logging;

namespace Letterbox;

internal static class WebProcess
{
    // Connections served at once, if there are enough descriptors. An idle one takes about 2 KB.
    private const int ConnectionsMax = 10_000;

    // How long open requests may take to end when the process stops, then the link to the store, then the
    // requests that the link left unanswered: in all less than the supervisor waits.
    private static readonly TimeSpan s_drainTimeout = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan s_linkTimeout = TimeSpan.FromSeconds(2);

    // Serves until `stop`, then drains. Returns the exit status.
    /// <exception cref="SocketException">The address cannot be bound.</exception>
    /// <exception cref="IOException">The site cannot be read.</exception>
    public static async Task<int> RunAsync(Settings settings, ILoggerFactory logs, CancellationToken stop)
    {
        ILogger log = logs.CreateLogger("web"), linkLog = logs.CreateLogger("link");
        TimeProvider time = LocalTime.Clock;
        var linkLimits = new LinkLimits { DrainTimeout = s_linkTimeout };
        using var collector = new IdleCollector();
        using var tls = MutualTls.Load(settings);
        await using var link = new StoreLink(settings.Stores, linkLimits, time, linkLog, tls);
        var probe = new StoreProbe(settings.Stores, tls, linkLimits, time);
        var limiter = new ByteRateLimiter(settings.ClientRate, time);
        using var site = new LetterboxSite(settings.Site, time, link.DeliverAsync, probe.AskAsync, log)
        {
            Limit = (request, bytes) => limiter.Acquire(request.Client, bytes),
            FindReceipt = probe.FindAsync,
        };
        var limits = new HttpLimits { ContentMax = Message.EncodedBytesMax };
        using var server = new HttpServer(limits, time, site.AnswerAsync, site.Reject, site.Failure)
        {
            IsTrustedProxy = settings.TrustedProxies.Contains,
            IsHealthCheck = LetterboxSite.IsHealthCheck,
        };
        int connections = DescriptorLimit.Connections(ConnectionsMax, log);
        using Listener listener = await new Predecessor(time, log, stop).AcquireAsync(
            $"{settings.Http}",
            () => new Listener(
                settings.Http, connections, server.ServeAsync, server.RejectOverload, log,
                settings.TrustedProxies),
            async cancel =>
                await Liveness.AskAsync(settings.Http, Liveness.HttpRequest, null, cancel) == true);

        listener.Start();
        ReadyLine.Write("web", settings.Http.WithPort(listener.EndPoint.Port));
        DescriptorLimit.LoadEarly();
        // Pages are served already; a message waits until the store is connected.
        link.Start();
        await Task.Delay(Timeout.Infinite, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        server.Stop();
        await listener.DrainAsync(s_drainTimeout);
        // Requests that still wait for the store are answered 503 instead of being aborted.
        await link.DisposeAsync();
        int left = await listener.DrainAsync(s_linkTimeout);
        if (left > 0) log.LogWarning("{Left} connections did not end in time", left);
        return ExitStatus.Ok;
    }
}
