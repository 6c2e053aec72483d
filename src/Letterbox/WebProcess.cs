// Composition of the HTTP side, port 3000: everything is built here, top to bottom; this file is the diagram.

using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Letterbox;

/// <summary>The web process.</summary>
public static class WebProcess
{
    /// <summary>Serves until <paramref name="stop"/>, then drains. Returns the exit status.</summary>
    public static async Task<int> RunAsync(Settings settings, ILoggerFactory logs, CancellationToken stop)
    {
        ILogger log = logs.CreateLogger("web");
        using var listener = new Listener(settings.Http, 1000, Serve, static s => s.Dispose(), log);
        listener.Start();
        Console.WriteLine($"web ready on {settings.Http.WithPort(listener.EndPoint.Port)}");
        await Task.Delay(Timeout.Infinite, stop).ContinueWith(static _ => { }, TaskScheduler.Default);
        await listener.DrainAsync(TimeSpan.FromSeconds(5));
        return ExitStatus.Ok;
    }

    private static Task Serve(Socket socket)
    {
        socket.Dispose();
        return Task.CompletedTask;
    }
}
