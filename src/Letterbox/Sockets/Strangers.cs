// Those at the door of a store with a secret, who have not proved yet that they know it. They are few at any
// time, and cannot fill the house or the log.

using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Letterbox.Sockets;

/// <summary>The connections whose handshake is not done. Safe on any thread.</summary>
/// <param name="max">How many there may be at once.</param>
/// <param name="time">The clock.</param>
/// <param name="log">Told of those who are not let in, once a minute at most.</param>
internal sealed class Strangers(int max, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan s_tellEvery = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly LinkedList<Socket> _waiting = new();
    private long? _told;
    private int _untold;

    /// <summary>
    /// Runs a handshake. When there are too many of them, the one that has gone on for longest ends: an
    /// honest client needs milliseconds, so it is somebody who stands in the door.
    /// </summary>
    public async Task<(Wire? Wire, string? Fault)> ProveAsync(
        Socket socket, Func<Task<(Wire? Wire, string? Fault)>> handshake)
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

    /// <summary>Takes note of one who is not let in.</summary>
    public void Refused(EndPoint? client, string fault)
    {
        int others;
        lock (_gate)
        {
            if (_told is { } at && time.GetElapsedTime(at) < s_tellEvery)
            {
                _untold++;
                return;
            }

            (others, _untold, _told) = (_untold, 0, time.GetTimestamp());
        }

        log.LogWarning(
            "the client at {Client} is not let in: {Fault}; nor were {Others} others since this was told",
            client, fault, others);
    }
}
