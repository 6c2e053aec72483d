// Which client is this, for bounds per client: an IPv4 address as it is, an IPv6 address by its /64, because
// a single host may use every address of one.

using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Letterbox.Hosting;

/// <summary>An IPv4 address or an IPv6 /64; equal for what counts as one client.</summary>
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

    // Seeded at random, so that no client can choose whose bucket of a hash table it shares.
    public override int GetHashCode() => HashCode.Combine((uint)_prefix, (uint)(_prefix >> 32), _isIPv6);

    // A socket for both families shows IPv4 clients as ::ffff:192.0.2.1.
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

/// <summary>Whom a request or connection counts for.</summary>
/// <param name="Network">The client.</param>
/// <param name="IsExempt">
/// No bound per client applies: this machine itself, or a trusted proxy speaking for itself.
/// </param>
internal readonly record struct Client(ClientNetwork Network, bool IsExempt);
