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

internal sealed class OpenConnection(Socket socket, IPAddress peer, TrustedProxies proxies)
{
    public Socket Socket => socket;

    public IPAddress Peer { get; } = ClientNetwork.Unmapped(peer);

    public Client Client { get; } = ClientOf(ClientNetwork.Unmapped(peer), proxies);

    // In one of the reserve places.
    public bool IsReserve { get; set; }

    // Null until it is served.
    public IEvictable? Session { get; set; }

    private static Client ClientOf(IPAddress peer, TrustedProxies proxies) =>
        new(new ClientNetwork(peer), IPAddress.IsLoopback(peer) || proxies.Contains(peer));
}
