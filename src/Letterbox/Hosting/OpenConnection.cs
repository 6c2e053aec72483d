// A connection that a listener has accepted: what the table of connections and the one that serves it share.

using System.Net;
using System.Net.Sockets;
using Letterbox.Configuration;

namespace Letterbox.Hosting;

/// <summary>What serves a connection, and can end it when others need the room.</summary>
internal interface IEvictable
{
    /// <summary>Since when the client is waited for; <see cref="long.MaxValue"/>: it is not.</summary>
    long WaitingSince { get; }

    /// <summary>Ends it if the client has been waited for since then. From any thread.</summary>
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

    /// <summary>There was no room for it: one of the few that are let in for what must get through.</summary>
    public bool IsReserve { get; set; }

    /// <summary>What serves it, once that has begun.</summary>
    public IEvictable? Session { get; set; }
}
