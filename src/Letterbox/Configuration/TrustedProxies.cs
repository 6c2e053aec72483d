// The proxies that are trusted to name the client, as LETTERBOX_TRUSTED_PROXIES lists them: addresses and
// networks, `192.0.2.7,10.0.0.0/8,fd00::/8`.

using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace Letterbox.Configuration;

internal sealed class TrustedProxies
{
    public const string Expected =
        "addresses and networks with commas between, such as 192.0.2.7, 10.0.0.0/8 or fd00::/8";

    public static readonly TrustedProxies None = new([]);

    private readonly IPNetwork[] _networks;

    private TrustedProxies(IPNetwork[] networks) => _networks = networks;

    public static bool TryParse(string text, [NotNullWhen(true)] out TrustedProxies? proxies)
    {
        string[] parts = text.Split(',', StringSplitOptions.TrimEntries);
        var networks = new IPNetwork[parts.Length];
        proxies = null;
        for (int i = 0; i < parts.Length; i++)
        {
            if (!TryParse(parts[i], out networks[i])) return false;
        }

        proxies = new TrustedProxies(networks);
        return true;
    }

    // The address must not be an IPv4 address mapped to IPv6.
    public bool Contains(IPAddress address) => Array.Exists(_networks, network => network.Contains(address));

    private static bool TryParse(string text, out IPNetwork network)
    {
        // IPNetwork and IPAddress take short forms such as 10/8 too, which are mistakes more often than not.
        bool address = IPAddress.TryParse(text, out IPAddress? one);
        if (address) network = new IPNetwork(one!, one!.GetAddressBytes().Length * 8);
        else if (!IPNetwork.TryParse(text, out network)) return false;
        bool full = text.Contains(':', StringComparison.Ordinal) || text.AsSpan().Count('.') == 3;
        return full && !network.BaseAddress.IsIPv4MappedToIPv6;
    }
}
