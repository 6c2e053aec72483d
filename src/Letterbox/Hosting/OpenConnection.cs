// A connection that a listener has accepted, as the connection table and its session share it.

using System.Net;
using System.Net.Sockets;
using Letterbox.Configuration;

namespace Letterbox.Hosting;

/// <summary>A session whose connection can be closed to make space for others.</summary>
internal interface IEvictable
{
    // Since when the server waits for the client; long.MaxValue: it does not.
    long WaitingSince { get; }

    // Closes it if the client has been waited for since then. From any thread.
    bool TryEvict(long waitingSince);
}

internal sealed class OpenConnection
{
    public OpenConnection(Socket socket, IPAddress peer, TrustedProxies proxies)
    {
        Socket = socket;
        Peer = ClientNetwork.Unmapped(peer);
        Client = new Client(new ClientNetwork(Peer), IPAddress.IsLoopback(Peer) || proxies.Contains(Peer));
    }

    public Socket Socket { get; }

    public IPAddress Peer { get; }

    public Client Client { get; }

    // In one of the reserve places.
    public bool IsReserve { get; set; }

    // Null until it is served.
    public IEvictable? Session { get; set; }
}
