// A TCP connection without a network: bytes arrive late, in pieces of any size, in order; a cut loses what is
// on its way from some byte on, and each end learns of it in its own time.

using Letterbox.Messages;

namespace Letterbox.Tests.Simulation;

/// <summary>One end's view: bytes that arrive, and the end of the stream.</summary>
internal sealed class SimulatedPipe(Agenda agenda, TimeSpan delayMax)
{
    private readonly Queue<byte[]> _onTheWay = new();
    private TimeSpan _last;
    private bool _cut;

    /// <summary>Bytes have arrived.</summary>
    public Action<byte[]> Arrived { get; set; } = static _ => { };

    /// <summary>Nothing will arrive any more.</summary>
    public Action Ended { get; set; } = static () => { };

    /// <summary>Sends; into the void when the connection is cut.</summary>
    public void Send(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty && !_cut)
        {
            int piece = agenda.Random.Next(4) == 0 ? agenda.Random.Next(1, bytes.Length + 1) : bytes.Length;
            _onTheWay.Enqueue(bytes[..piece].ToArray());
            Schedule(() => { if (_onTheWay.TryDequeue(out byte[]? next)) Arrived(next); });
            bytes = bytes[piece..];
        }
    }

    /// <summary>Loses what is on its way behind some byte, and tells the receiver later.</summary>
    public void Cut()
    {
        if (_cut) return;
        _cut = true;
        byte[][] sent = [.. _onTheWay];
        _onTheWay.Clear();
        int whole = agenda.Random.Next(sent.Length + 1);
        foreach (byte[] piece in sent[..whole]) _onTheWay.Enqueue(piece);
        if (whole < sent.Length) _onTheWay.Enqueue(sent[whole][..agenda.Random.Next(sent[whole].Length)]);
        Schedule(() => Ended());
    }

    // Never before what was sent earlier.
    private void Schedule(Action what)
    {
        TimeSpan at = agenda.Elapsed + agenda.Within(delayMax);
        if (at > _last) _last = at;
        agenda.In(_last - agenda.Elapsed, what);
    }
}

/// <summary>Both directions of one connection.</summary>
internal sealed class SimulatedConnection(Agenda agenda, int number, TimeSpan delayMax)
{
    /// <summary>Tells it from others.</summary>
    public int Number => number;

    /// <summary>What the link sends.</summary>
    public SimulatedPipe ToStore { get; } = new(agenda, delayMax);

    /// <summary>What the store sends.</summary>
    public SimulatedPipe ToLink { get; } = new(agenda, delayMax);

    /// <summary>The messages that the link has sent on it, in order.</summary>
    public List<Message> Sent { get; } = [];

    /// <summary>Cuts both directions, each at a place of its own.</summary>
    public void Cut()
    {
        ToStore.Cut();
        ToLink.Cut();
    }
}
