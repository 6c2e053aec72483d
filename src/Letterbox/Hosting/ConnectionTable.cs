// The connections of one listener, and which of them is closed when there are too many:
//
//   a client beyond its share    its own connection that has been idle for longest
//   too many in all              the connection that has been idle for longest
//   none is idle                 none: the new one gets one of a few reserve places, or is rejected
//
// Idle means that the server waits for the client: for a request, or for it to read the answer. So silent
// connections cannot keep other clients out, however many there are.

namespace Letterbox.Hosting;

// Safe on any thread. `max` does not include the reserve.
internal sealed class ConnectionTable(int max)
{
    // For health checks and the like while all connections are busy.
    public const int Reserve = 64;

    private readonly Lock _gate = new();
    private readonly Group _all = new();
    private readonly Dictionary<ClientNetwork, Group> _clients = [];

    // Enough for more than four hundred people behind one address, at six connections a browser.
    private readonly int _clientMax = Math.Max(1, max / 4);

    // Adds a connection, after evicting others; false: there is no space.
    public bool TryAdd(OpenConnection connection)
    {
        ClientNetwork client = connection.Client.Network;
        lock (_gate)
        {
            Group? share = null;
            if (!connection.Client.IsExempt)
            {
                share = _clients.GetValueOrDefault(client) ?? new Group();
                if (share.Count >= _clientMax && !Evict(share)) return false;
            }

            // More than one if reserve places are in use.
            while (_all.Count >= max && Evict(_all))
            {
            }

            connection.IsReserve = _all.Count >= max;
            if (_all.Count >= max + Reserve) return false;
            _all.Add(connection);
            if (share is not null) (_clients[client] = share).Add(connection);
            return true;
        }
    }

    // Has no effect on an evicted connection.
    public void Remove(OpenConnection connection)
    {
        lock (_gate)
        {
            if (!_all.Remove(connection) || connection.Client.IsExempt) return;
            Group share = _clients[connection.Client.Network];
            share.Remove(connection);
            if (share.Count == 0) _clients.Remove(connection.Client.Network);
        }
    }

    private bool Evict(Group group)
    {
        OpenConnection? evicted = group.EvictOldest();
        if (evicted is not null) Remove(evicted);
        return evicted is not null;
    }

    private sealed class Group
    {
        // A scan of all connections is allowed after enough evictions, or after this time.
        private const int ConnectionsPerEviction = 16;
        private const int ScanEveryMilliseconds = 10;

        private readonly HashSet<OpenConnection> _open = [];

        // The idle connections of the last scan, longest idle first. A connection that was busy then, or has
        // been since, has been idle for less time than those left here.
        private readonly Queue<(long Since, OpenConnection Connection)> _idle = [];
        private int _evicted;
        private long _scanned;

        public int Count => _open.Count;

        public void Add(OpenConnection connection) => _open.Add(connection);

        public bool Remove(OpenConnection connection) => _open.Remove(connection);

        public OpenConnection? EvictOldest()
        {
            OpenConnection? oldest = Next();
            if (oldest is null && Scan()) oldest = Next();
            if (oldest is not null) _evicted++;
            return oldest;
        }

        private OpenConnection? Next()
        {
            while (_idle.TryDequeue(out (long Since, OpenConnection Connection) one))
            {
                if (_open.Contains(one.Connection) && one.Connection.Session!.TryEvict(one.Since))
                    return one.Connection;
            }

            return null;
        }

        private bool Scan()
        {
            long now = Environment.TickCount64;
            bool due = (_evicted + 1) * ConnectionsPerEviction >= _open.Count;
            if (!due && now - _scanned < ScanEveryMilliseconds) return false;
            (_evicted, _scanned) = (0, now);
            var idle = new List<(long Since, OpenConnection Connection)>(_open.Count);
            foreach (OpenConnection one in _open)
            {
                if (one.Session?.WaitingSince is { } since and < long.MaxValue) idle.Add((since, one));
            }

            idle.Sort(static (a, b) => a.Since.CompareTo(b.Since));
            foreach ((long, OpenConnection) one in idle) _idle.Enqueue(one);
            return true;
        }
    }
}
