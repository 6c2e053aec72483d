// The client of a request: the peer, or the client that trusted proxies name, never one that a client claims.

using System.Net;
using System.Text;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Http;

namespace Letterbox.Tests.Http;

public sealed class ForwardedClientTests
{
    [Theory]
    // Without trusted proxies the peer is the client, whatever the request says.
    [InlineData("", "198.51.100.1", "", "198.51.100.1", false)]
    [InlineData("", "198.51.100.1", "X-Forwarded-For: 192.0.2.1", "198.51.100.1", false)]
    [InlineData("10.0.0.0/8", "198.51.100.1", "X-Forwarded-For: 192.0.2.1", "198.51.100.1", false)]
    [InlineData("10.0.0.0/8", "198.51.100.1", "Forwarded: for=192.0.2.1", "198.51.100.1", false)]
    [InlineData("", "::ffff:198.51.100.1", "", "198.51.100.1", false)]
    [InlineData("", "2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64", false)]
    // Loopback is exempt unless it forwards.
    [InlineData("", "127.0.0.1", "", "127.0.0.1", true)]
    [InlineData("", "::1", "", "::/64", true)]
    [InlineData("", "127.0.0.1", "X-Forwarded-For: 192.0.2.1", "127.0.0.1", false)]
    [InlineData("", "127.0.0.1", "Forwarded: for=192.0.2.1", "127.0.0.1", false)]
    [InlineData("127.0.0.1", "127.0.0.1", "X-Forwarded-For: 192.0.2.1", "192.0.2.1", false)]
    // A trusted proxy: the right-most address that is not one.
    [InlineData("10.0.0.0/8", "10.0.0.1", "", "10.0.0.1", true)]
    [InlineData("10.0.0.0/8", "::ffff:10.0.0.1", "X-Forwarded-For: 192.0.2.1", "192.0.2.1", false)]
    [InlineData("10.0.0.0/8", "10.0.0.1", "X-Forwarded-For: 10.0.0.2", "10.0.0.1", true)]
    [InlineData(
        "10.0.0.0/8", "10.0.0.1", "X-Forwarded-For: 1.1.1.1, 192.0.2.1, 10.0.0.2", "192.0.2.1", false)]
    [InlineData(
        "10.0.0.1", "10.0.0.1", "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 192.0.2.1", "192.0.2.1", false)]
    [InlineData("10.0.0.0/8", "10.0.0.1", "X-Forwarded-For: nonsense, 192.0.2.1:8080", "192.0.2.1", false)]
    [InlineData(
        "fd00::/8, 10.0.0.1", "fd00::1", "X-Forwarded-For: 2001:db8::9, 10.0.0.1", "2001:db8::/64", false)]
    [InlineData("10.0.0.1", "10.0.0.1", "Forwarded: for=1.1.1.1,for=192.0.2.1;proto=a", "192.0.2.1", false)]
    [InlineData(
        "10.0.0.1", "10.0.0.1", "Forwarded: proto=http;For=\"[2001:db8:a:b::1]:4711\"", "2001:db8:a:b::/64",
        false)]
    [InlineData("10.0.0.1", "10.0.0.1", "Forwarded: for=1.1.1.1;by=\"a,b\", for=10.0.0.1", "1.1.1.1", false)]
    // A client that the proxy does not name counts as the proxy, but is not exempt.
    [InlineData("10.0.0.1", "10.0.0.1", "X-Forwarded-For: 192.0.2.1, unknown", "10.0.0.1", false)]
    [InlineData("10.0.0.1", "10.0.0.1", "Forwarded: for=_hidden", "10.0.0.1", false)]
    [InlineData("10.0.0.1", "10.0.0.1", "Forwarded: proto=http", "10.0.0.1", false)]
    [InlineData("10.0.0.1", "10.0.0.1", "Forwarded: for=\"1.1.1.1, for=192.0.2.1", "10.0.0.1", false)]
    [InlineData("10.0.0.1", "10.0.0.1", "Forwarded: for=[", "10.0.0.1", false)]
    // Of two fields one may be the client's: both are believed where they agree, neither where they differ.
    [InlineData(
        "10.0.0.1", "10.0.0.1", "Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.1", "192.0.2.1", false)]
    [InlineData(
        "10.0.0.1", "10.0.0.1", "Forwarded: for=1.1.1.1\r\nX-Forwarded-For: 192.0.2.1", "10.0.0.1", false)]
    public void The_client_is(string trusted, string peer, string fields, string network, bool exempt)
    {
        TrustedProxies? proxies = TrustedProxies.None;
        Assert.True(trusted.Length == 0 || TrustedProxies.TryParse(trusted, out proxies));
        string lines = fields.Length == 0 ? "" : fields + "\r\n";
        byte[] bytes = Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        var reader = new RequestReader(new HttpLimits());
        int end = bytes.Length;
        Assert.Equal(ReadStatus.Complete, reader.Read(bytes, 0, ref end));
        reader.Request.SetPeer(IPAddress.Parse(peer), proxies.Contains);
        Client client = reader.Request.Client;
        Assert.Equal((network, exempt), (client.Network.ToString(), client.IsExempt));
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1", true)]
    [InlineData("192.0.2.1", "192.0.2.2", false)]
    [InlineData("192.0.2.1", "::ffff:192.0.2.1", true)]
    [InlineData("2001:db8::1", "2001:db8::ffff:1", true)]
    [InlineData("2001:db8::1", "2001:db8:0:1::1", false)]
    [InlineData("0.0.0.0", "::", false)]
    public void One_client_is_an_ipv4_address_or_an_ipv6_64(string one, string other, bool same) =>
        Assert.Equal(
            same, new ClientNetwork(IPAddress.Parse(one)) == new ClientNetwork(IPAddress.Parse(other)));
}
