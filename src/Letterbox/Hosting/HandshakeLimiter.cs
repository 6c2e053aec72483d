// Limits the clients of a store with TLS that are not authenticated yet: how many there are at once, and how
// much they cause to be logged.

using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Letterbox.Hosting;

// Safe on any thread.
internal sealed class HandshakeLimiter(int max, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan s_logEvery = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly LinkedList<Socket> _waiting = new();
    private long? _logged;
    private int _notLogged;

    // Runs a handshake. If there are too many, the oldest one is ended: a legitimate client needs
    // milliseconds.
    public async Task<(Transport? Transport, string? Failure)> RunAsync(
        Socket socket, Func<Task<(Transport? Transport, string? Failure)>> handshake)
    {
        var self = new LinkedListNode<Socket>(socket);
        Socket? oldest = null;
        lock (_gate)
        {
            if (_waiting.Count == max)
            {
                oldest = _waiting.First!.Value;
                _waiting.RemoveFirst();
            }

            _waiting.AddLast(self);
        }

        oldest?.Dispose();
        try
        {
            return await handshake();
        }
        finally
        {
            lock (_gate)
            {
                if (self.List is not null) _waiting.Remove(self);
            }
        }
    }

    public void LogRejected(IPAddress? client, string failure)
    {
        int others;
        lock (_gate)
        {
            if (_logged is { } at && time.GetElapsedTime(at) < s_logEvery)
            {
                _notLogged++;
                return;
            }

            (others, _notLogged, _logged) = (_notLogged, 0, time.GetTimestamp());
        }

        log.LogWarning(
            "the client at {Client} is rejected: {Failure}; {Others} others since the last such line",
            client, failure, others);
    }
}
