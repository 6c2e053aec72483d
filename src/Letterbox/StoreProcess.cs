// Composition of the socket side, port 5000: everything is built here, top to bottom; this file is the
// diagram.
//
//   web process ──TCP──▶ SocketServer ──▶ Journal (group commit, sync) ──▶ Relay ──▶ MongoStore ──▶ MongoDB
//   anyone ──TCP, UDP──▶

using System.Net.Sockets;
using Letterbox.Sockets;
using Letterbox.Store;
using Microsoft.Extensions.Logging;

namespace Letterbox;

/// <summary>The store process: the only one that knows the database.</summary>
public static class StoreProcess
{
    /// <summary>
    /// How long open connections have to end when the process stops; a little less than the supervisor waits.
    /// </summary>
    private static readonly TimeSpan s_drainPatience = TimeSpan.FromSeconds(8);

    /// <summary>
    /// How long to wait for a journal that is in use. A store process whose supervisor was killed ends by
    /// itself, see <see cref="StopSignal"/>: whoever starts the letterbox again at once finds it on its way
    /// out.
    /// </summary>
    private static readonly TimeSpan s_predecessorPatience = TimeSpan.FromSeconds(16);

    private static readonly TimeSpan s_lookAgain = TimeSpan.FromMilliseconds(100);

    /// <summary>Serves until <paramref name="stop"/>, then drains. Returns the exit status.</summary>
    /// <exception cref="SettingsException">Its address is not fit for a store process.</exception>
    /// <exception cref="SocketException">The address cannot be bound.</exception>
    /// <exception cref="StoreException">
    /// The journal cannot be used, or MongoDB is configured and cannot be used at all.
    /// </exception>
    public static async Task<int> RunAsync(Settings settings, ILoggerFactory logs, CancellationToken stop)
    {
        settings.CheckForStore();
        ILogger log = logs.CreateLogger("store");
        foreach (string setting in settings.Describe()) log.LogInformation("{Setting}", setting);
        TimeProvider time = TimeProvider.System;
        using MongoStore? mongo = MongoStore.Open(settings);
        await using Journal? journal = await OpenJournalAsync(settings, time, log, stop);
        if (journal is null) return ExitStatus.Ok;
        await using Relay? relay = mongo is null
            ? null
            : new Relay(journal, mongo.InsertAsync, settings.JournalKeep, time, logs.CreateLogger("relay"));
        using var tls = MutualTls.Load(settings);
        using var server = new SocketServer(
            settings.Socket, journal.AppendAsync, new SocketLimits(), time, log, tls, Notes);

        server.Start();
        ReadyLine.Write("store", settings.Socket.WithPort(server.EndPoint.Port));
        await Task.Delay(Timeout.Infinite, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        // The relay stops meanwhile: what it does not bring to MongoDB any more stays in the journal, which
        // must be closed in time.
        Task relayed = relay?.DisposeAsync().AsTask() ?? Task.CompletedTask;
        int left = await server.DrainAsync(s_drainPatience);
        await relayed;
        if (left > 0) log.LogWarning("{Left} connections did not end in time", left);
        return ExitStatus.Ok;

        IReadOnlyList<string> Notes()
        {
            IReadOnlyList<string> notes = [.. journal.Notes, .. relay?.Notes ?? []];
            return journal.Fault is { } fault ? [$"messages cannot be stored: {fault}", .. notes] : notes;
        }
    }

    // Null: this process is to stop before it got the journal.
    private static async Task<Journal?> OpenJournalAsync(
        Settings settings, TimeProvider time, ILogger log, CancellationToken stop)
    {
        long since = time.GetTimestamp();
        for (bool first = true; ; first = false)
        {
            try
            {
                return Journal.Open(settings.Data, time, log, JournalBounds.Of(settings));
            }
            catch (StoreException e) when (e.InUse && time.GetElapsedTime(since) < s_predecessorPatience)
            {
                if (stop.IsCancellationRequested) return null;
                if (first) log.LogWarning("{Reason}; waiting for its end", e.Message);
            }

            await Task.Delay(s_lookAgain, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
