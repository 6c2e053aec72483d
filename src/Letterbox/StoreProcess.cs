// Composition of the socket side, port 5000: everything is built here, top to bottom; this file is the diagram.
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

    /// <summary>Serves until <paramref name="stop"/>, then drains. Returns the exit status.</summary>
    /// <exception cref="SocketException">The address cannot be bound.</exception>
    /// <exception cref="StoreException">The journal, or MongoDB where it is configured, cannot be used.</exception>
    public static async Task<int> RunAsync(Settings settings, ILoggerFactory logs, CancellationToken stop)
    {
        ILogger log = logs.CreateLogger("store");
        foreach (string setting in settings.Describe()) log.LogInformation("{Setting}", setting);
        TimeProvider time = TimeProvider.System;
        using MongoStore? mongo = settings.MongoUri is { } uri
            ? MongoStore.Open(uri, settings.MongoDatabase, settings.MongoCollection)
            : null;
        var bounds = new JournalBounds
        {
            BytesMax = settings.JournalMax ?? long.MaxValue,
            DiskReserve = settings.DiskReserve,
        };
        await using Journal journal = Journal.Open(settings.Data, time, log, bounds);
        await using Relay? relay = mongo is null
            ? null
            : new Relay(journal, mongo.Insert, settings.JournalKeep, time, logs.CreateLogger("relay"));
        using var server = new SocketServer(settings.Socket, journal.AppendAsync, new SocketLimits(), time, log);

        server.Start();
        Console.WriteLine($"store ready on {settings.Socket.WithPort(server.EndPoint.Port)}");
        await Task.Delay(Timeout.Infinite, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        int left = await server.DrainAsync(s_drainPatience);
        if (left > 0) log.LogWarning("{Left} connections did not end in time", left);
        return ExitStatus.Ok;
    }
}
