// How many connections a limit on descriptors leaves room for, and what is said when there are none.

using System.Net.Sockets;
using Letterbox.Configuration;
using Letterbox.Hosting;

namespace Letterbox.Tests.Hosting;

public sealed class DescriptorLimitTests
{
    [Theory]
    [InlineData(1_000_000, 10_000)]
    [InlineData(10_256, 10_000)]
    [InlineData(1_024, 768)]
    [InlineData(256, 64)]
    public void Connections_leave_a_reserve(long descriptors, int connections) =>
        Assert.Equal(connections, DescriptorLimit.Connections(10_000, descriptors));

    [Theory]
    [InlineData(SocketError.TooManyOpenSockets, "web cannot start: no more than ")]
    [InlineData(SocketError.AddressAlreadyInUse, "web cannot listen on *:3000: ")]
    public void Whatever_fails_at_the_start_is_called_by_its_name(SocketError error, string text) =>
        Assert.StartsWith(
            text, Program.CannotServe("web", new Address("*", 3000), new SocketException((int)error)),
            StringComparison.Ordinal);
}
