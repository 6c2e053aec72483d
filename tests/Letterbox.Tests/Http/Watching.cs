// How a test waits for the state of a connection without a sleep: by polling.

using Letterbox.Http;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Http;

internal static class Watching
{
    /// <summary>
    /// Waits until one connection waits for its client in this state and, if given, holds this many bytes.
    /// </summary>
    public static Task<HttpConnection> UntilAsync(
        this HttpServer server, HttpConnection.State state, int? held = null) =>
        server.UntilAsync(connection =>
            connection.Inspect is { Waiting: true } now && now.State == state
                && (held ?? now.Held) == now.Held);

    public static async Task<HttpConnection> UntilAsync(
        this HttpServer server, Func<HttpConnection, bool> condition)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            HttpConnection? found = server.Snapshot().FirstOrDefault(condition);
            if (found is not null) return found;
            deadline.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    public static async Task UntilAsync(Func<bool> condition)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!condition())
        {
            deadline.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    /// <summary>Waits until no connection is left.</summary>
    public static Task UntilEmptyAsync(this HttpServer server) =>
        UntilAsync(() => server.Snapshot().Length == 0);

    /// <summary>Expects 200.</summary>
    public static async Task<HttpAnswer> GetAsync(this HttpPeer peer, string path = "/")
    {
        await peer.SendAsync($"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        HttpAnswer? answer = await peer.ReadAsync();
        Assert.Equal(200, answer?.Status);
        return answer!;
    }
}
