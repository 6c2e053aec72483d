// The clients of a store with TLS that are not authenticated yet: a bound on how many there are at once, and
// on what they can write to the log.

using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Letterbox.Hosting;

/// <summary>The connections whose handshake is not done. Safe on any thread.</summary>
/// <param name="max">How many there may be at once.</param>
/// <param name="time">The clock.</param>
/// <param name="log">Rejected clients go here, one line a minute at most.</param>
internal sealed class HandshakeLimiter(int max, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan s_logEvery = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly LinkedList<Socket> _waiting = new();
    private long? _logged;
    private int _notLogged;

    /// <summary>
    /// Runs a handshake. When there are too many, the one that has gone on for longest ends: an honest client
    /// needs milliseconds.
    /// </summary>
    public async Task<(Transport? Transport, string? Failure)> RunAsync(
        Socket socket, Func<Task<(Transport? Transport, string? Failure)>> handshake)
    {
        var self = new LinkedListNode<Socket>(socket);
        Socket? longest = null;
        lock (_gate)
        {
            if (_waiting.Count == max)
            {
                longest = _waiting.First!.Value;
                _waiting.RemoveFirst();
            }

            _waiting.AddLast(self);
        }

        longest?.Dispose();
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

    /// <summary>Logs a rejected client.</summary>
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
            "the client at {Client} is rejected: {Failure}; so were {Others} others since the last such line",
            client, failure, others);
    }
}
