// `letterbox health`: asks the web process how it is, as a container's health check does.

using Letterbox.Configuration;

namespace Letterbox.Commands;

/// <summary>Asks a web process whether it lives and whether it can take messages.</summary>
internal static class HealthCheck
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(3);

    /// <summary>
    /// Asks <c>/healthz</c>, then <c>/readyz</c>; both must answer 200 within 3 seconds each. Returns
    /// <c>null</c>, or what is wrong, in one line.
    /// </summary>
    public static async Task<string?> AskAsync(Address web)
    {
        // The question is for this machine: neither a proxy nor another address is to answer it.
        using var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false };
        using var client = new HttpClient(handler);
        client.Timeout = s_timeout;
        client.MaxResponseContentBufferSize = 64 * 1024;
        string url = web.ToUrl();
        return await AskAsync(client, $"{url}/healthz") ?? await AskAsync(client, $"{url}/readyz");
    }

    private static async Task<string?> AskAsync(HttpClient client, string url)
    {
        try
        {
            using HttpResponseMessage answer = await client.GetAsync(new Uri(url));
            if ((int)answer.StatusCode == 200) return null;
            string text = await answer.Content.ReadAsStringAsync();
            return $"{url} answers {(int)answer.StatusCode}: {text.ReplaceLineEndings(" ").Trim()}";
        }
        catch (HttpRequestException e)
        {
            return $"{url} does not answer: {e.Message}";
        }
        catch (TaskCanceledException)
        {
            return $"{url} does not answer within {s_timeout.TotalSeconds:0} seconds";
        }
    }
}
