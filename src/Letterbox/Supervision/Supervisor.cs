// The supervisor starts the two roles in order, keeps them running, and stops them in order.
//
//   start   store, then web: when the form is there, the store is ready
//   stop    web, then store: messages that web has accepted are still stored
//   if one role is given up, the other is stopped, and the exit status reports the failure

using Letterbox.Configuration;
using Letterbox.Hosting;
using Microsoft.Extensions.Logging;

namespace Letterbox.Supervision;

internal static class Supervisor
{
    // Runs both roles until `signal`. Returns the exit status.
    public static async Task<int> RunAsync(
        Settings settings, Role storeRole, Role webRole, ILoggerFactory logs, TextWriter output,
        StopSignal signal)
    {
        ILogger log = logs.CreateLogger("letterbox");
        var store = new ChildSupervisor(storeRole, OwnCommand(storeRole.Name), output, log);
        var web = new ChildSupervisor(webRole, OwnCommand(webRole.Name), output, log);
        using var stopStore = new CancellationTokenSource();
        using var stopWeb = new CancellationTokenSource();
        var stopping = new TaskCompletionSource();
        using CancellationTokenRegistration registration = signal.Token.Register(stopping.SetResult);

        Task<int> storeEnds = store.RunAsync(settings.Variables, stopStore.Token, signal.Immediately);
        Task<int> webEnds = Task.FromResult(ExitStatus.Ok);
        if (await Task.WhenAny(storeEnds, stopping.Task, store.FirstReady) == store.FirstReady)
        {
            Address at = await store.FirstReady;
            // Only the store process holds the credentials of the database.
            var forWeb = new Dictionary<string, string?>(settings.Variables)
            {
                [Setting.Socket.Variable] = $"{at}",
                [Setting.MongoUri.Variable] = null,
                [Setting.MongoUriFile.Variable] = null,
            };
            webEnds = web.RunAsync(forWeb, stopWeb.Token, signal.Immediately);
            if (await Task.WhenAny(webEnds, storeEnds, stopping.Task, web.FirstReady) == web.FirstReady)
            {
                Announce(settings with { Http = await web.FirstReady, Socket = at }, output);
                await Task.WhenAny(webEnds, storeEnds, stopping.Task);
            }
        }

        await stopWeb.CancelAsync();
        int webStatus = await webEnds;
        await stopStore.CancelAsync();
        int storeStatus = await storeEnds;
        return Math.Max(webStatus, storeStatus);
    }

    private static void Announce(Settings settings, TextWriter output)
    {
        string journal = Path.GetFullPath(settings.JournalPath);
        output.WriteLine($"The letterbox is open at {settings.Http.ToUrl()}");
        string how = settings.TlsCertificate is null ? "TCP and UDP" : "TCP with mutual TLS";
        output.WriteLine($"Programs can send messages to {settings.Socket}, {how}");
        output.WriteLine(settings.MongoUri is null
            ? $"Messages are stored in {journal}"
            : $"Messages go to {Settings.WithoutSecrets(settings.MongoUri)} through {journal}");
        if (!Console.IsOutputRedirected) output.WriteLine("Ctrl-C stops it");
    }

    // This program again: its executable, or the dotnet host with its assembly.
    private static string[] OwnCommand(string verb)
    {
        string host = Environment.ProcessPath!;
        return Path.GetFileNameWithoutExtension(host) == "dotnet"
            ? [host, Path.Combine(AppContext.BaseDirectory, "letterbox.dll"), verb]
            : [host, verb];
    }
}
