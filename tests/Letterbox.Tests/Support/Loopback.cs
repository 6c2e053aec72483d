// A listening socket of loopback for test servers.

using System.Net;
using System.Net.Sockets;

namespace Letterbox.Tests.Support;

/// <summary>
/// Plain sockets rather than <see cref="TcpListener"/>: an accept after the end of a socket is always an
/// <see cref="ObjectDisposedException"/>, while a listener that ends between two accepts says something else.
/// </summary>
internal static class Loopback
{
    /// <summary>Listens; port 0 picks a free one.</summary>
    public static Socket Listen(int port = 0)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
        socket.Listen();
        return socket;
    }

    /// <summary>The port on which it listens.</summary>
    public static int Port(this Socket listener) => ((IPEndPoint)listener.LocalEndPoint!).Port;
}
