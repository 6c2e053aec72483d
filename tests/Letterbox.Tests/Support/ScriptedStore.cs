// A socket server that does what the test says: takes connections and lines, gives any answer or none,
// breaks.

using System.Net.Sockets;
using Letterbox.Configuration;

namespace Letterbox.Tests.Support;

/// <summary>
/// Listens on loopback. The far end of each connection is a <see cref="SocketClient"/> in the test's hands.
/// </summary>
internal sealed class ScriptedStore : IDisposable
{
    private readonly Socket _listener;

    /// <summary>Listens; port 0 picks a free one.</summary>
    public ScriptedStore(int port = 0) => _listener = Loopback.Listen(port);

    /// <summary>Where it listens.</summary>
    public Address Address => new("127.0.0.1", _listener.Port());

    /// <summary>The link's next connection, past its opening line feed.</summary>
    public async Task<SocketClient> AcceptAsync()
    {
        Socket socket = await _listener.AcceptAsync().WaitAsync(TimeSpan.FromSeconds(30));
        var connection = new SocketClient(socket);
        Assert.Equal("", await connection.ReadLineAsync());
        return connection;
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();
}
