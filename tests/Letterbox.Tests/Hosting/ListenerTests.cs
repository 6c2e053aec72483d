// The accept loop that both processes share: what it counts.

using System.Net.Sockets;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Hosting;

public sealed class ListenerTests
{
    [Fact]
    public async Task A_connection_counts_until_it_ends_also_after_the_listener_was_told_to_stop()
    {
        var serving = new TaskCompletionSource();
        var enough = new TaskCompletionSource();
        var anywhere = new Address("127.0.0.1", 0);
        using var listener = new Listener(
            anywhere, 10, ServeAsync, static socket => socket.Dispose(), NullLogger.Instance);
        listener.Start();
        Assert.Equal(0, listener.Connections);
        using var client = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.EndPoint);
        await serving.Task;
        Assert.Equal(1, listener.Connections);

        Assert.Equal(1, await listener.DrainAsync(TimeSpan.Zero));
        Assert.Equal(1, listener.Connections);
        enough.SetResult();
        Assert.Equal(0, await listener.DrainAsync(TimeSpan.FromMinutes(1)));
        Assert.Equal(0, listener.Connections);

        async Task ServeAsync(OpenConnection connection)
        {
            serving.SetResult();
            await enough.Task;
            connection.Socket.Dispose();
        }
    }
}
