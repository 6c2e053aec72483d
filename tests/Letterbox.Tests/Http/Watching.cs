// How a test learns that a connection has come to where it must be, without a sleep: it looks until it is so.

using Letterbox.Http;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Http;

internal static class Watching
{
    /// <summary>
    /// Waits until one connection waits for its client in this state, and holds so many bytes if that
    /// matters.
    /// </summary>
    public static Task<HttpConnection> UntilAsync(
        this HttpServer server, HttpConnection.State state, int? held = null) =>
        server.UntilAsync(connection =>
            connection.Inspect is { Waiting: true } look && look.State == state
                && (held ?? look.Held) == look.Held);

    /// <summary>Waits until one connection is so.</summary>
    public static async Task<HttpConnection> UntilAsync(this HttpServer server, Func<HttpConnection, bool> so)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            HttpConnection? found = server.Snapshot().FirstOrDefault(so);
            if (found is not null) return found;
            deadline.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    /// <summary>Waits until this is so.</summary>
    public static async Task UntilAsync(Func<bool> so)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!so())
        {
            deadline.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    /// <summary>Waits until no connection is left.</summary>
    public static Task UntilEmptyAsync(this HttpServer server) =>
        UntilAsync(() => server.Snapshot().Length == 0);

    /// <summary>Asks for something and expects 200.</summary>
    public static async Task<HttpAnswer> GetAsync(this HttpPeer peer, string path = "/")
    {
        await peer.SendAsync($"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        HttpAnswer? answer = await peer.ReadAsync();
        Assert.Equal(200, answer?.Status);
        return answer!;
    }
}
