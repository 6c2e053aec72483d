// Who has to go when there are too many connections, and who never has.

using System.Net;
using Letterbox.Configuration;
using Letterbox.Hosting;

namespace Letterbox.Tests.Hosting;

public sealed class ConnectionTableTests
{
    private readonly List<Session> _evicted = [];
    private long _now;

    [Fact]
    public void The_one_that_has_been_idle_for_longest_goes_first()
    {
        var table = new ConnectionTable(3);
        Session a = Add(table, "127.0.0.1"), b = Add(table, "127.0.0.1"), c = Add(table, "127.0.0.1");
        a.WaitingSince = ++_now;
        Add(table, "127.0.0.1");
        Add(table, "127.0.0.1");
        c.WaitingSince = long.MaxValue;
        Add(table, "127.0.0.1");
        Assert.Equal([b, c, a], _evicted);
    }

    [Fact]
    public void One_at_work_is_left_alone_and_the_reserve_is_small()
    {
        var table = new ConnectionTable(2);
        for (int i = 0; i < 2; i++) Assert.False(Add(table, "127.0.0.1", idle: false).Connection.IsReserve);
        for (int i = 0; i < ConnectionTable.Reserve; i++)
            Assert.True(Add(table, "127.0.0.1", idle: false).Connection.IsReserve);
        Session late = Make("127.0.0.1", idle: false);
        Assert.False(table.TryAdd(late.Connection));
        Assert.Empty(_evicted);
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1", true)]
    [InlineData("192.0.2.1", "192.0.2.2", false)]
    [InlineData("2001:db8::1", "2001:db8::2", true)]
    [InlineData("2001:db8::1", "2001:db8:0:1::2", false)]
    [InlineData("127.0.0.1", "127.0.0.1", false)]
    [InlineData("10.0.0.1", "10.0.0.1", false)]
    public void A_client_beyond_its_share_loses_its_own(string first, string then, bool same)
    {
        var table = new ConnectionTable(8);
        Session other = Add(table, "198.51.100.1");
        Session[] share = [Add(table, first), Add(table, first)];
        Add(table, then);
        Add(table, then);
        Assert.Equal(same ? share : [], _evicted);
        table.Remove(other.Connection);
        foreach (Session one in share) table.Remove(one.Connection);
        Add(table, first);
    }

    [Fact]
    public void A_client_all_of_whose_connections_are_at_work_gets_no_more_than_its_share()
    {
        var table = new ConnectionTable(8);
        Session one = Add(table, "192.0.2.1", idle: false), other = Add(table, "192.0.2.1", idle: false);
        Assert.False(table.TryAdd(Make("192.0.2.1").Connection));
        table.Remove(one.Connection);
        Add(table, "192.0.2.1");
        other.WaitingSince = 0;
        Add(table, "192.0.2.1");
        Assert.Equal([other], _evicted);
    }

    private Session Add(ConnectionTable table, string peer, bool idle = true)
    {
        Session session = Make(peer, idle);
        Assert.True(table.TryAdd(session.Connection));
        return session;
    }

    private Session Make(string peer, bool idle = true)
    {
        Assert.True(TrustedProxies.TryParse("10.0.0.0/8", out TrustedProxies? proxies));
        var connection = new OpenConnection(null!, IPAddress.Parse(peer), proxies!);
        var session = new Session(connection, _evicted) { WaitingSince = idle ? ++_now : long.MaxValue };
        connection.Session = session;
        return session;
    }

    private sealed class Session(OpenConnection connection, List<Session> evicted) : IEvictable
    {
        public OpenConnection Connection => connection;

        public long WaitingSince { get; set; }

        public bool TryEvict(long waitingSince)
        {
            if (WaitingSince != waitingSince) return false;
            evicted.Add(this);
            return true;
        }
    }
}
