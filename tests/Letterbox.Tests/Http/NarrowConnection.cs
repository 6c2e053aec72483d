// A connection with small socket buffers, so that sending soon has to wait.

using System.Net;
using System.Net.Sockets;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Http;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Http;

internal sealed record NarrowConnection(HttpPeer Peer, Task Served) : IDisposable
{
    /// <summary>Connects, sends the bytes before the server reads, and serves the connection.</summary>
    public static async Task<NarrowConnection> OpenAsync(HttpServer server, string bytes)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        int port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        HttpPeer peer = await HttpPeer.ConnectAsync(port, receiveBuffer: 4096);
        await peer.SendAsync(bytes);
        Socket socket = await listener.AcceptAsync();
        socket.SendBufferSize = 16 * 1024;
        var connection = new OpenConnection(socket, IPAddress.Loopback, TrustedProxies.None);
        return new NarrowConnection(peer, server.ServeAsync(connection));
    }

    public static string Requests(int count) =>
        string.Concat(Enumerable.Repeat("GET /medium HTTP/1.1\r\nHost: a\r\n\r\n", count));

    public void Dispose() => Peer.Dispose();
}
