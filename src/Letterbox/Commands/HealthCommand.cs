// `letterbox health`: checks a running process, as the health check of a container does.

using System.CommandLine;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;

namespace Letterbox.Commands;

internal static class HealthCommand
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(3);

    public static Command Create(Func<ParseResult, Settings> read)
    {
        var store = new Option<bool>("--store")
        {
            Description = "Check the store process instead: whether it answers.",
        };
        var health = new Command("health", "Checks whether the HTTP server can take messages.") { store };
        health.SetAction((line, _) => RunAsync(read(line), line.GetValue(store)));
        return health;
    }

    private static async Task<int> RunAsync(Settings settings, bool store)
    {
        using var tls = MutualTls.Load(settings);
        Result health = store ? await CheckStoreAsync(settings, tls) : await CheckWebAsync(settings.Http);
        // The public page has neither reasons nor notes: they are for operators only.
        var probe = new StoreProbe(settings.Stores, tls, new LinkLimits(), TimeProvider.System);
        Readiness stores = await probe.AskAsync();
        if (health.Succeeded)
        {
            Console.WriteLine("healthy");
            foreach (string note in stores.Notes) Console.WriteLine(DisplayText.Visible(note));
            return ExitStatus.Ok;
        }

        Console.Error.WriteLine($"letterbox: {DisplayText.Visible(health.Failure)}");
        foreach (string reason in stores.Reasons)
            Console.Error.WriteLine($"letterbox: {DisplayText.Visible(reason)}");
        return ExitStatus.Failed;
    }

    private static async Task<Result> CheckStoreAsync(Settings settings, MutualTls? tls)
    {
        using var deadline = new CancellationTokenSource(s_timeout);
        bool? answers = await Liveness.AskAsync(
            settings.Socket, Liveness.StoreRequest, tls, deadline.Token);
        return answers is true
            ? Result.Success
            : Result.Failed($"the store at {settings.Socket} does not answer");
    }

    // /healthz, then /readyz: each must answer 200 in time.
    private static async Task<Result> CheckWebAsync(Address web)
    {
        // Only this process is to answer: no proxy, and no other address by a redirect.
        using var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false };
        using var client = new HttpClient(handler);
        client.Timeout = s_timeout;
        client.MaxResponseContentBufferSize = 64 * 1024;
        string url = web.ToUrl();
        Result alive = await GetAsync(client, $"{url}/healthz");
        return alive.Succeeded ? await GetAsync(client, $"{url}/readyz") : alive;
    }

    private static async Task<Result> GetAsync(HttpClient client, string url)
    {
        try
        {
            using HttpResponseMessage answer = await client.GetAsync(new Uri(url));
            if ((int)answer.StatusCode == 200) return Result.Success;
            string text = await answer.Content.ReadAsStringAsync();
            return Result.Failed(
                $"{url} answers {(int)answer.StatusCode}: {text.ReplaceLineEndings(" ").Trim()}");
        }
        catch (HttpRequestException e)
        {
            return Result.Failed($"{url} does not answer: {e.Message}");
        }
        catch (TaskCanceledException)
        {
            return Result.Failed($"{url} does not answer within {s_timeout.TotalSeconds:0} seconds");
        }
    }
}
