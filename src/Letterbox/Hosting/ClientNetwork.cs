// Identifies a client for limits per client: an IPv4 address, or the /64 of an IPv6 address, because a single
// host may use every address of its /64.

using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Letterbox.Hosting;

internal readonly record struct ClientNetwork
{
    private readonly ulong _prefix;
    private readonly bool _isIPv6;

    public ClientNetwork(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        address = Unmapped(address);
        address.TryWriteBytes(bytes, out _);
        _isIPv6 = address.AddressFamily == AddressFamily.InterNetworkV6;
        _prefix = BinaryPrimitives.ReadUInt64BigEndian(bytes); // of IPv4: the address, then zeros
    }

    // Seeded at random, so that no client can choose with whom it shares a bucket of a hash table.
    public override int GetHashCode() => HashCode.Combine((uint)_prefix, (uint)(_prefix >> 32), _isIPv6);

    // A dual-mode socket shows IPv4 clients as ::ffff:192.0.2.1.
    public static IPAddress Unmapped(IPAddress address) =>
        address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        BinaryPrimitives.WriteUInt64BigEndian(bytes, _prefix);
        return _isIPv6 ? $"{new IPAddress(bytes)}/64" : new IPAddress(bytes[..4]).ToString();
    }
}

// The client that a request or connection counts for. Exempt from limits per client are this machine, and a
// trusted proxy with a request of its own.
internal readonly record struct Client(ClientNetwork Network, bool IsExempt);
