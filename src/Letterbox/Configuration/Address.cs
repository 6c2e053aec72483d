// The address of a server as settings write it: `127.0.0.1:5000`, `[::1]:5000`, `localhost:5000`, `*:3000`,
// `:3000`.

using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Letterbox.Configuration;

// Host * is every interface, IPv4 and IPv6; port 0 is any free port.
internal sealed record Address(string Host, int Port)
{
    // Reads host:port; an IPv6 host is in brackets, an empty host is *.
    public static bool TryParse(string text, [NotNullWhen(true)] out Address? address)
    {
        address = null;
        int colon = text.LastIndexOf(':');
        if (colon < 0) return false;
        string host = text[..colon];
        ReadOnlySpan<char> digits = text.AsSpan(colon + 1);
        if (!ushort.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
            return false;
        if (host.Length == 0) host = "*";
        if (host.StartsWith('[') && host.EndsWith(']'))
        {
            host = host[1..^1];
            if (!IPAddress.TryParse(host, out IPAddress? ip)) return false;
            if (ip.AddressFamily != AddressFamily.InterNetworkV6) return false;
        }
        else if (host != "*" && !IsIPv4(host) && Uri.CheckHostName(host) != UriHostNameType.Dns)
        {
            return false;
        }

        address = new Address(host, port);
        return true;
    }

    public static bool TryParseList(string text, [NotNullWhen(true)] out IReadOnlyList<Address>? addresses)
    {
        addresses = null;
        var all = new List<Address>();
        foreach (string one in text.Split(',', StringSplitOptions.TrimEntries))
        {
            if (!TryParse(one, out Address? address)) return false;
            all.Add(address);
        }

        addresses = all;
        return true;
    }

    // Only this machine can reach it.
    /// <exception cref="SocketException">The name is not known.</exception>
    public bool IsLoopback() =>
        Host != "*"
        && (IPAddress.TryParse(Host, out IPAddress? ip) ? [ip] : Dns.GetHostAddresses(Host))
            .All(IPAddress.IsLoopback);

    private static bool IsIPv4(string host) =>
        IPAddress.TryParse(host, out IPAddress? ip) && ip.AddressFamily == AddressFamily.InterNetwork;

    public Address WithPort(int port) => this with { Port = port };

    // The end point to bind.
    /// <exception cref="SocketException">The name is not known.</exception>
    public IPEndPoint ToListen()
    {
        IPAddress any = Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any;
        if (Host == "*") return new IPEndPoint(any, Port);
        return IPAddress.TryParse(Host, out IPAddress? ip)
            ? new IPEndPoint(ip, Port)
            : new IPEndPoint(Dns.GetHostAddresses(Host)[0], Port);
    }

    // The end point to connect to; loopback for a server on every interface.
    public EndPoint ToConnect() =>
        Host is "*" or "0.0.0.0" ? new IPEndPoint(IPAddress.Loopback, Port)
        : Host == "::" ? new IPEndPoint(IPAddress.IPv6Loopback, Port)
        : IPAddress.TryParse(Host, out IPAddress? ip) ? new IPEndPoint(ip, Port)
        : new DnsEndPoint(Host, Port);

    // The address to type into a browser on this machine.
    public string ToUrl()
    {
        string host = Host switch { "*" => "localhost", "0.0.0.0" => "127.0.0.1", "::" => "::1", _ => Host };
        return $"http://{this with { Host = host }}";
    }

    public override string ToString() =>
        Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
