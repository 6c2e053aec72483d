// Which client sent a request that came through proxies. Each proxy appends the address of its client:
//
//   Forwarded: for=192.0.2.43, for="[2001:db8:cafe::17]:4711";proto=https        RFC 7239 4
//   X-Forwarded-For: 192.0.2.43, 2001:db8:cafe::17                               no standard, but common
//
// An entry counts only if a trusted proxy wrote it: the right-most address that is not a trusted proxy is the
// client, and the client may have made up everything to the left of it.

using System.Net;
using System.Text;
using Letterbox.Hosting;

namespace Letterbox.Http;

internal static class ForwardedClient
{
    // What the fields of one name contain. Neither value set: every hop is a trusted proxy.
    private record struct Origin(IPAddress? Client, bool Unknown);

    /// <summary>The client of a request that came from <paramref name="peer"/>.</summary>
    public static Client Of(Request request, IPAddress peer, Predicate<IPAddress> isTrusted)
    {
        peer = ClientNetwork.Unmapped(peer);
        bool forwarded = request.TryGetField("forwarded"u8, out _);
        bool listed = request.TryGetField("x-forwarded-for"u8, out _);
        if (!isTrusted(peer))
            return new(new ClientNetwork(peer), IPAddress.IsLoopback(peer) && !forwarded && !listed);

        Origin origin = listed ? Read(request, "x-forwarded-for"u8, isTrusted) : default;
        // A proxy writes one of the two and may pass on the other as the client sent it: if they differ,
        // neither is believed.
        if (forwarded && Read(request, "forwarded"u8, isTrusted) is var other)
            origin = !listed || other == origin ? other : new Origin(null, Unknown: true);
        // A client that the proxy does not name counts as the proxy, but is not exempt as the proxy is.
        bool proxyItself = origin == default;
        return new(new ClientNetwork(origin.Client ?? peer), proxyItself);
    }

    // From left to right: the last address that is not trusted is the right-most one.
    private static Origin Read(Request request, ReadOnlySpan<byte> name, Predicate<IPAddress> isTrusted)
    {
        Origin origin = default;
        for (int at = -1; request.NextField(name, ref at);)
        {
            ReadOnlySpan<byte> rest = request.FieldValue(at);
            while (Grammar.NextElement(ref rest, out ReadOnlySpan<byte> element))
            {
                if (element.IsEmpty) continue;
                ReadOnlySpan<byte> node = name.Length == "forwarded".Length ? For(element) : element;
                if (!TryReadNode(node, out IPAddress? address)) origin = new Origin(null, Unknown: true);
                else if (!isTrusted(address!)) origin = new Origin(address, Unknown: false);
            }
        }

        return origin;
    }

    // forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )        RFC 7239 4
    private static ReadOnlySpan<byte> For(ReadOnlySpan<byte> element)
    {
        while (Grammar.NextElement(ref element, out ReadOnlySpan<byte> pair, (byte)';'))
        {
            if (pair.Length > 4 && pair[3] == '=' && Grammar.Same(pair[..3], "for"u8)) return pair[4..];
        }

        return default;
    }

    // node = nodename [ ":" node-port ], an IPv6 nodename in brackets        RFC 7239 6
    // X-Forwarded-For allows IPv6 without brackets too.
    private static bool TryReadNode(ReadOnlySpan<byte> node, out IPAddress? address)
    {
        if (node is [(byte)'"', .. var inner, (byte)'"']) node = inner;
        int colon = node.IndexOf((byte)':');
        if (node is [(byte)'[', ..]) node = node[1..Math.Max(1, node.IndexOf((byte)']'))];
        else if (colon >= 0 && colon == node.LastIndexOf((byte)':')) node = node[..colon];
        bool read = IPAddress.TryParse(Encoding.ASCII.GetString(node), out address);
        if (read) address = ClientNetwork.Unmapped(address!);
        return read;
    }
}
