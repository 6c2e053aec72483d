// The store process, port 5000, put together from top to bottom: this file is the diagram.
//
//   web process ──TCP──▶ SocketServer ──▶ Journal (group commit, sync) ──▶ Relay ──▶ MongoStore ──▶ MongoDB
//   any client ──TCP, UDP──▶

using System.Net.Sockets;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Store.Delivery;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;
using Microsoft.Extensions.Logging;

namespace Letterbox;

internal static class StoreProcess
{
    // How long open connections may take to end when the process stops: less than the supervisor waits.
    private static readonly TimeSpan s_drainTimeout = TimeSpan.FromSeconds(8);

    // Serves until `stop`, then drains. Returns the exit status.
    /// <exception cref="SettingsException">The address is not allowed for a store process.</exception>
    /// <exception cref="SocketException">The address cannot be bound.</exception>
    /// <exception cref="StoreException">The journal or the connection string cannot be used.</exception>
    public static async Task<int> RunAsync(Settings settings, ILoggerFactory logs, CancellationToken stop)
    {
        settings.CheckForStore();
        ILogger log = logs.CreateLogger("store");
        foreach (string setting in settings.Describe()) log.LogInformation("{Setting}", setting);
        TimeProvider time = LocalTime.Clock;
        using MongoStore? mongo =
            MongoStore.Open(settings.MongoUri, settings.MongoDatabase, settings.MongoCollection);
        var predecessor = new Predecessor(
            time, log, stop, static e => e is StoreException { InUse: true });
        await using var opener = new JournalOpener(OpenJournal, StopSignal.IsRestart, time, log);
        Relay? relay = null;
        await predecessor.AcquireAsync("the journal", opener.TryOpen);
        using var tls = MutualTls.Load(settings);
        var bounds = new SocketLimits();
        bounds = bounds with { ConnectionsMax = DescriptorLimit.Connections(bounds.ConnectionsMax, log) };
        using SocketServer server = await predecessor.AcquireAsync(
            $"{settings.Socket}",
            () => new SocketServer(
                settings.Socket, opener.AppendAsync, bounds, time, log, tls, State,
                new ByteRateLimiter(settings.ClientRate, time)));

        server.Start();
        ReadyLine.Write("store", settings.Socket.WithPort(server.EndPoint.Port));
        DescriptorLimit.LoadEarly();
        MessageJournal? journal = await opener.OpenAsync(stop);
        if (journal is not null && mongo is not null)
        {
            relay = new Relay(
                journal, mongo.InsertAsync, settings.JournalKeep, time, logs.CreateLogger("relay"));
        }

        await Task.Delay(Timeout.Infinite, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        // The relay stops at the same time: what it no longer delivers stays in the journal, which must be
        // closed in time.
        Task relayed = relay?.DisposeAsync().AsTask() ?? Task.CompletedTask;
        int left = await server.DrainAsync(s_drainTimeout);
        await relayed;
        if (left > 0) log.LogWarning("{Left} connections did not end in time", left);
        return ExitStatus.Ok;

        MessageJournal OpenJournal() => MessageJournal.Open(
            settings.Data, time, log, new JournalBounds(settings.JournalMax, settings.DiskReserve),
            mustExist: StopSignal.IsRestart);

        Readiness State()
        {
            if (opener.Failure is { } closed) return new Readiness([closed], []);
            IReadOnlyList<string> notes = [.. opener.Notes, .. relay?.Notes ?? []];
            return new Readiness([], opener.CommitFailure is { } failure
                ? [$"messages cannot be stored: {failure}", .. notes]
                : notes);
        }
    }
}
