// The messages of the link without an answer, in order, and which answer belongs to which. No I/O.
//
//    Add ──▶ _waiting ──▶ Take ──▶ _sent ──▶ TakeAnswers ──▶ removed
//               ▲                    │
//               └─────── Break ◀─────┘         unknown what the store received: all of it is sent again
//
// A message is in one of the two queues until it is removed under the lock, by its answer, its deadline or
// the end; the code that removed it completes it, outside the lock. Messages keep their order, so the oldest
// is at the head of _sent, or else of _waiting.

using Letterbox.Messages;

namespace Letterbox.Sockets;

// One message that waits since a timestamp of the queue's clock. Its continuation runs on the thread that
// reads the answer and must not block, so that a batch of answers needs no change of threads.
internal sealed class Delivery(Message message, long since) : TaskCompletionSource<Receipt>
{
    public Message Message => message;

    public long Since => since;

    // In flight; sent before, on a connection that broke before the answer.
    public bool Sent { get; set; }
    public bool MaybeStored { get; set; }

    // Completes it without an answer.
    public void Fail(string reason) =>
        TrySetResult(Sent || MaybeStored ? Receipt.Unknown(reason) : Receipt.Later(reason));
}

/// <summary>The unanswered messages of one link. Safe on any thread.</summary>
internal sealed class LinkQueue(LinkLimits limits, int stores, TimeProvider time)
{
    private readonly Lock _gate = new();
    private Queue<Delivery> _waiting = new();
    private Queue<Delivery> _sent = new();
    private bool _connected;
    private bool _writerAsleep;
    private bool _closed;
    private long _connectedAt;
    private long? _roundBegan;
    private int _moves;

    public int Count
    {
        get { lock (_gate) return _waiting.Count + _sent.Count; }
    }

    // `wakeWriter`: the writing loop waits, and has to be woken.
    public Result Add(Delivery delivery, out bool wakeWriter)
    {
        wakeWriter = false;
        lock (_gate)
        {
            if (_closed) return Result.Failed("the server is stopping");
            if (_waiting.Count + _sent.Count >= limits.QueueMax)
                return Result.Failed("too many messages wait for the store");
            _waiting.Enqueue(delivery);
            (wakeWriter, _writerAsleep) = (_writerAsleep, false);
            return Result.Success;
        }
    }

    // No message is added from now on.
    public void Close()
    {
        lock (_gate) _closed = true;
    }

    // Removes all messages.
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

    public void Connect()
    {
        lock (_gate) (_connected, _connectedAt) = (true, time.GetTimestamp());
    }

    // The connection is broken: sent messages wait again, before the unsent ones. False: this was known.
    public bool Break()
    {
        lock (_gate)
        {
            if (!_connected) return false;
            RequeueAll();
            return true;
        }
    }

    // Moves messages from _waiting to _sent, as many as fit in one send. False: the connection is broken. An
    // empty batch: no message waits, and the next Add asks to wake the writer.
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
                next.Sent = true;
                batch.Add(next.Message);
                _sent.Enqueue(_waiting.Dequeue());
            }

            _writerAsleep = batch.Count == 0;
            return true;
        }
    }

    // Removes the messages that the complete lines in `bytes` answer. It fails at the first line that is not
    // an answer to a message, or is WAIT although another store may take the message: then the connection
    // must be closed.
    public Result TakeAnswers(
        ReadOnlySpan<byte> bytes, List<(Delivery Delivery, Receipt Receipt)> answered, out int consumed)
    {
        answered.Clear();
        consumed = 0;
        lock (_gate)
        {
            while (_connected && bytes[consumed..].IndexOf((byte)'\n') is >= 0 and var length)
            {
                bool isAnswer = Answer.TryRead(bytes.Slice(consumed, length), out Receipt receipt);
                consumed += length + 1;
                if (!isAnswer) return Result.Failed("the store sent an invalid answer");
                if (_sent.Count == 0)
                    return Result.Failed($"the store sent an answer without a message: {receipt.Reason}");
                if (receipt.Kind == ReceiptKind.Stored && receipt.Id != _sent.Peek().Message.Id)
                    return Result.Failed("the store answered for another message");
                _sent.Peek().Sent = false;
                if (receipt.Kind == ReceiptKind.Later && ShouldTryNextStore())
                    return Result.Failed($"the store takes no messages: {receipt.Reason}");
                Delivery delivery = _sent.Dequeue();
                bool unknown = receipt.Kind == ReceiptKind.Later && delivery.MaybeStored;
                answered.Add((delivery, unknown ? Receipt.Unknown(receipt.Reason) : receipt));
            }

            return Result.Success;
        }
    }

    // Removes the messages whose deadline has passed. True: the store hangs, as some of them had been sent,
    // or one has waited so long that another store may be faster. The connection then counts as broken, so
    // that a late answer is not taken for that of another message.
    public bool Expire(List<Delivery> late)
    {
        lock (_gate)
        {
            while (_sent.TryPeek(out Delivery? oldest) && IsLate(oldest)) late.Add(_sent.Dequeue());
            bool hangs = _connected && (late.Count > 0 || IsUnresponsive());
            while (_waiting.TryPeek(out Delivery? oldest) && IsLate(oldest)) late.Add(_waiting.Dequeue());
            if (hangs) RequeueAll();
            return hangs;
        }
    }

    // With another store, a store that hangs is detected well before the message is late.
    private bool IsUnresponsive() =>
        stores > 1 && _sent.TryPeek(out Delivery? oldest)
        && time.GetElapsedTime(Math.Max(oldest.Since, _connectedAt)) >= limits.FailoverTimeout;

    // Once round all stores, and not again for a while.
    private bool ShouldTryNextStore()
    {
        if (_roundBegan is not { } began || time.GetElapsedTime(began) >= limits.RoundEvery)
            (_roundBegan, _moves) = (time.GetTimestamp(), 0);
        return ++_moves < stores;
    }

    private void RequeueAll()
    {
        (_connected, _writerAsleep) = (false, false);
        foreach (Delivery unanswered in _sent)
            (unanswered.MaybeStored, unanswered.Sent) = (unanswered.MaybeStored || unanswered.Sent, false);
        while (_waiting.TryDequeue(out Delivery? unsent)) _sent.Enqueue(unsent);
        (_waiting, _sent) = (_sent, _waiting);
    }

    private bool IsLate(Delivery delivery) => time.GetElapsedTime(delivery.Since) >= limits.MessageTimeout;
}
