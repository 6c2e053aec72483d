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
        foreach (string setting in settings.Describe()) log.LogDebug("{Setting}", setting);
        TimeProvider time = LocalTime.Clock;
        using MongoStore? mongo =
            MongoStore.Open(settings.MongoUri, settings.MongoDatabase, settings.MongoCollection);
        var predecessor = new Predecessor(
            time, log, stop, static e => e is StoreException { InUse: true });
        await using var opener = new JournalOpener(OpenJournal, StopSignal.IsRestart, time, log);
        using var receipts = new ReceiptLookup(settings.JournalPath);
        Relay? relay = null;
        using var collector = new IdleCollector();
        using var tls = MutualTls.Load(settings);
        MessageJournal? journal = await predecessor.AcquireAsync(
            "the journal", opener.TryOpen,
            async cancel => Address.TryParse(OwnerAddress.Read(settings.Data) ?? "", out Address? owner)
                && await IsServedAsync(owner, tls, cancel));
        var bounds = new SocketLimits();
        bounds = bounds with { ConnectionsMax = DescriptorLimit.Connections(bounds.ConnectionsMax, log) };
        using SocketServer server = await predecessor.AcquireAsync(
            $"{settings.Socket}",
            () => new SocketServer(
                settings.Socket, opener.AppendAsync, bounds, time, log, tls,
                () => StateOf(opener, relay))
            {
                Find = id => opener.Failure is null ? receipts.Find(id) : default,
            },
            cancel => IsServedAsync(settings.Socket, tls, cancel));

        server.Start();
        Address address = settings.Socket.WithPort(server.EndPoint.Port);
        using var owned = OwnerAddress.Write(settings.Data, $"{address}");
        ReadyLine.Write("store", address);
        DescriptorLimit.LoadEarly();
        journal = await opener.OpenAsync(stop);
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
        if (journal is { MissingFile: null }) Report(settings, journal);
        return ExitStatus.Ok;

        MessageJournal OpenJournal() => MessageJournal.Open(
            settings.Data, time, log, new JournalBounds(settings.JournalMax, settings.DiskReserve),
            mustExist: StopSignal.IsRestart);
    }

    private static async Task<bool> IsServedAsync(Address at, MutualTls? tls, CancellationToken cancel) =>
        await Liveness.AskAsync(at, Liveness.StoreRequest, tls, cancel) == true;

    private static Readiness StateOf(JournalOpener opener, Relay? relay)
    {
        if (opener.Failure is { } closed) return new Readiness([closed], []);
        IReadOnlyList<string> notes = [.. opener.Notes, .. relay?.Notes ?? []];
        return new Readiness([], opener.CommitFailure is { } failure
            ? [$"messages cannot be stored: {failure}", .. notes]
            : notes);
    }

    // For the person who stops it: where the messages are.
    private static void Report(Settings settings, MessageJournal journal)
    {
        using JournalReader reader = JournalReader.Open(journal.Path);
        long waiting = journal.LastSequence - reader.ReadWatermark(), held = reader.CountQuarantine();
        string messages = journal.Taken == 1 ? "1 message" : $"{journal.Taken} messages";
        string where = settings.MongoUri is null ? $", all in {Path.GetFullPath(journal.Path)}"
            : waiting + held == 0 ? ", all in MongoDB"
            : $"; in the journal, waiting for MongoDB: {waiting}, in quarantine: {held}";
        Console.WriteLine($"stopped; {messages} taken{where}");
    }
}
