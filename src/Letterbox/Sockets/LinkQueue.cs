// What the link still owes an answer, in order, and which answer is whose. No I/O.
//
//    Add ──▶ _waiting ──▶ Take ──▶ _sent ──▶ Answer ──▶ taken out
//               ▲                    │
//               └─────── Break ◀─────┘         unknown what the store received: all of it is sent again
//
// A message is in one of the two queues until it is taken out under the lock, by its answer, its deadline or
// the end; the code that took it out completes it, outside the lock. Messages keep their order, so the
// oldest is at
// the head of _sent, or else of _waiting.

using Letterbox.Messages;

namespace Letterbox.Sockets;

/// <summary>
/// One message on its way. Its waiter runs where the answer is read, and must not block: answers that came
/// together are taken on together, without a change of threads for each.
/// </summary>
/// <param name="message">What is to be delivered.</param>
/// <param name="since">When the wait began, a timestamp of the queue's clock.</param>
internal sealed class Delivery(Message message, long since)
    : TaskCompletionSource<Receipt>
{
    /// <summary>What is to be delivered.</summary>
    public Message Message => message;

    /// <summary>When the wait began.</summary>
    public long Since => since;
}

/// <summary>What has to be done after a message was added.</summary>
[Flags]
internal enum AfterAdding
{
    /// <summary>Nothing: someone is at it.</summary>
    Nothing = 0,

    /// <summary>The writing loop sleeps: wake it.</summary>
    WakeWriter = 1,

    /// <summary>
    /// No timer is set: make sure that <see cref="LinkQueue.Expire"/> is called in time.
    /// </summary>
    WatchDeadlines = 2,
}

/// <summary>The unanswered messages of one link. Safe on any thread.</summary>
/// <param name="limits">The bounds.</param>
/// <param name="stores">How many stores there are to go round.</param>
/// <param name="time">The clock.</param>
internal sealed class LinkQueue(LinkLimits limits, int stores, TimeProvider time)
{
    private readonly Lock _gate = new();
    private Queue<Delivery> _waiting = new();
    private Queue<Delivery> _sent = new();
    private bool _connected;
    private bool _writerAsleep;
    private bool _watched;
    private bool _closed;
    private long _connectedAt;
    private long? _roundBegan;
    private int _moves;

    /// <summary>Messages without an answer.</summary>
    public int Count
    {
        get
        {
            lock (_gate) return _waiting.Count + _sent.Count;
        }
    }

    /// <summary>Takes a message in and tells what that asks for; or returns why not.</summary>
    public string? Add(Delivery delivery, out AfterAdding todo)
    {
        todo = AfterAdding.Nothing;
        lock (_gate)
        {
            if (_closed) return "the server is stopping";
            if (_waiting.Count + _sent.Count >= limits.QueueMax)
                return "too many messages wait for the store";
            _waiting.Enqueue(delivery);
            if (_writerAsleep) todo |= AfterAdding.WakeWriter;
            if (!_watched) todo |= AfterAdding.WatchDeadlines;
            (_writerAsleep, _watched) = (false, true);
            return null;
        }
    }

    /// <summary>From now on no message is taken in.</summary>
    public void Close()
    {
        lock (_gate) _closed = true;
    }

    /// <summary>Takes out every message that is left.</summary>
    public List<Delivery> Clear()
    {
        lock (_gate)
        {
            List<Delivery> left = [.. _sent, .. _waiting];
            _sent.Clear();
            _waiting.Clear();
            return left;
        }
    }

    /// <summary>A new connection is open.</summary>
    public void Connect()
    {
        lock (_gate) (_connected, _connectedAt) = (true, time.GetTimestamp());
    }

    /// <summary>
    /// The connection is broken: what was sent waits again, in front of what was not. <c>false</c>: it was
    /// known.
    /// </summary>
    public bool Break()
    {
        lock (_gate)
        {
            if (!_connected) return false;
            RequeueAll();
            return true;
        }
    }

    /// <summary>
    /// Moves what waits to what is sent, as much as one send takes. <c>false</c>: the connection is broken.
    /// An empty batch: nothing waits, and the next <see cref="Add"/> will ask for the writer.
    /// </summary>
    public bool Take(List<Message> batch, int bytesMax)
    {
        batch.Clear();
        int bytes = 0;
        lock (_gate)
        {
            if (!_connected) return false;
            while (_waiting.TryPeek(out Delivery? next))
            {
                bytes += FormEncoder.BytesMax(next.Message);
                if (bytes > bytesMax) break;
                batch.Add(next.Message);
                _sent.Enqueue(_waiting.Dequeue());
            }

            _writerAsleep = batch.Count == 0;
            return true;
        }
    }

    /// <summary>
    /// Takes out the messages that the whole lines in <paramref name="bytes"/> answer. Returns what is wrong
    /// with the first line that answers nothing, or tells a message to wait that another store may take: the
    /// connection is of no more use then.
    /// </summary>
    public string? Answer(
        ReadOnlySpan<byte> bytes, List<(Delivery Delivery, Receipt Receipt)> answered, out int consumed)
    {
        answered.Clear();
        consumed = 0;
        lock (_gate)
        {
            while (_connected && bytes[consumed..].IndexOf((byte)'\n') is >= 0 and var length)
            {
                bool isAnswer = Sockets.Answer.TryRead(bytes.Slice(consumed, length), out Receipt receipt);
                consumed += length + 1;
                if (!isAnswer) return "the store sent an invalid answer";
                if (_sent.Count == 0) return $"the store sent an answer without a message: {receipt.Reason}";
                if (receipt.Kind == ReceiptKind.Stored && receipt.Id != _sent.Peek().Message.Id)
                    return "the store answered for another message";
                if (receipt.Kind == ReceiptKind.Later && ShouldTryNextStore())
                    return $"the store takes no messages: {receipt.Reason}";
                answered.Add((_sent.Dequeue(), receipt));
            }

            return null;
        }
    }

    /// <summary>
    /// Takes out the messages whose time is up. <c>true</c>: the store hangs. Some of them had been sent to
    /// it, or one has waited long enough that another store may be quicker. The queue
    /// counts the connection as broken from now on, so that a late answer is not taken for that of another
    /// message.
    /// </summary>
    /// <param name="late">Filled with what was taken out.</param>
    /// <param name="again">When to call again; <c>null</c>: when <see cref="Add"/> asks for it.</param>
    public bool Expire(List<Delivery> late, out TimeSpan? again)
    {
        lock (_gate)
        {
            while (_sent.TryPeek(out Delivery? oldest) && Remaining(oldest) <= TimeSpan.Zero)
                late.Add(_sent.Dequeue());
            bool hangs = _connected && (late.Count > 0 || IsUnresponsive());
            while (_waiting.TryPeek(out Delivery? oldest) && Remaining(oldest) <= TimeSpan.Zero)
                late.Add(_waiting.Dequeue());
            if (hangs) RequeueAll();
            _watched = _sent.TryPeek(out Delivery? next) || _waiting.TryPeek(out next);
            again = next is null ? null : NextCheck(Remaining(next));
            return hangs;
        }
    }

    /// <summary>How soon after the first message was added to look for the first time.</summary>
    public TimeSpan FirstCheck => NextCheck(limits.MessageTimeout);

    // Where there is another store, one that hangs is found out a while before the message is late.
    private TimeSpan NextCheck(TimeSpan remaining) =>
        stores > 1 && limits.CheckEvery < remaining ? limits.CheckEvery : remaining;

    private bool IsUnresponsive() =>
        stores > 1 && _sent.TryPeek(out Delivery? oldest)
        && time.GetElapsedTime(Math.Max(oldest.Since, _connectedAt)) >= limits.FailoverTimeout;

    // Once round all the stores, and not again for a while.
    private bool ShouldTryNextStore()
    {
        if (_roundBegan is not { } began || time.GetElapsedTime(began) >= limits.RoundEvery)
            (_roundBegan, _moves) = (time.GetTimestamp(), 0);
        return ++_moves < stores;
    }

    private void RequeueAll()
    {
        (_connected, _writerAsleep) = (false, false);
        while (_waiting.TryDequeue(out Delivery? unsent)) _sent.Enqueue(unsent);
        (_waiting, _sent) = (_sent, _waiting);
    }

    private TimeSpan Remaining(Delivery delivery) =>
        limits.MessageTimeout - time.GetElapsedTime(delivery.Since);
}
