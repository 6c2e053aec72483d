// One TCP connection of the socket server. Two loops, one for each direction, with a bounded queue of
// outstanding answers between them:
//
//    socket ──▶ ReadAsync: receive, decode, accept ──▶ _due ──▶ AnswerAsync: in order ──▶ socket
//
//    reading ends by          what happens
//    -----------------------  ---------------------------------------------------------------------
//    end of stream            a form without LF is complete now; all is answered, then closed
//    a rejected message       NO, all is answered, then closed: the next message cannot be found
//    idle, or the stop        all that was read is answered, then closed
//    a reset, a failed send   closed; messages that were accepted remain accepted
//
// A message known to be cut off is never accepted; MessageDecoder explains which ones can be detected.

using System.Buffers;
using System.Net.Sockets;
using System.Threading.Channels;
using Letterbox.Hosting;
using Letterbox.Messages;

namespace Letterbox.Sockets;

internal sealed class SocketSession(SocketServer server, Transport transport, CancellationToken stop)
    : IEvictable, IDisposable
{
    // Most messages fit; the buffer grows for longer ones, and for clients that send many at once.
    private const int BufferSize = 4096;
    private const int BufferSizeMax = 2 * Message.EncodedBytesMax;
    private const int AnswersSize = 8192;
    private const int AnswerDueSize = 64;

    // What a session takes besides its buffers.
    private const int SessionSize = 8192;

    // So many answers that need no commit are queued before the thread is given up, so that they are sent:
    // for a client that sends only invalid messages nothing else limits the queue.
    private const int AnswersPerYield = 64;

    // A queue of so many answers is kept while the connection is idle.
    private const int InFlightKept = 64;

    private readonly SocketLimits _limits = server.Limits;
    private readonly MessageDecoder _decoder = new(server.Time);
    private readonly ReusableTimeout _receiveTimeout = new(server.Time, stop);
    private readonly ReusableTimeout _sendTimeout = new(server.Time, CancellationToken.None);
    private readonly MemoryBudget.Hold _partHeld = new(server.Memory, transport.Close);
    private readonly MemoryBudget.Hold _unreadHeld = new(server.Memory, transport.Close);
    private readonly ByteBuffer _input = new(BufferSize);
    private readonly Lock _queue = new();
    private Channel<ValueTask<Receipt>> _due = NewQueue(server.Limits.InFlightMax);

    private byte[] _answers = [];
    private long _partialSince; // since when the input is an incomplete message
    private int _inFlight, _inFlightPeak;
    private long _waitingSince = server.Time.GetTimestamp();
    private volatile bool _unread; // a send is blocked
    private int _immediate; // answers without a commit
    private bool _filled; // the last receive filled the buffer: a larger one is needed

    // Serves until the client has ended or the stop, and closes the connection. Throws only what `accept`
    // does.
    public async Task RunAsync()
    {
        Task answering = AnswerAsync();
        await Task.WhenAll(ReadAsync(), answering);
        await LingerAsync();
    }

    public long WaitingSince => Volatile.Read(ref _inFlight) == 0 || _unread
        ? Volatile.Read(ref _waitingSince)
        : long.MaxValue;

    public bool TryEvict(long waitingSince)
    {
        if (WaitingSince != waitingSince) return false;
        // A message that arrives at this moment is not answered, and its sender sends it again.
        transport.Close();
        return true;
    }

    public void Dispose()
    {
        transport.Dispose();
        _receiveTimeout.Dispose();
        _sendTimeout.Dispose();
        _input.Release();
        _partHeld.Set(0);
        _unreadHeld.Set(0);
    }

    private async Task ReadAsync()
    {
        try
        {
            while (await ReceiveAsync() is { } ending)
            {
                if (ending == Ending.Quiet && stop.IsCancellationRequested) return;
                if (!await DecodeAsync(ending) || ending == Ending.Ended) return;
                bool idle = ending == Ending.Quiet && _input.Length == 0 && Volatile.Read(ref _inFlight) == 0;
                if (idle) return;
            }
        }
        finally
        {
            lock (_queue) _due.Writer.TryComplete();
        }
    }

    // False: stop reading.
    private async ValueTask<bool> DecodeAsync(Ending ending)
    {
        while (true)
        {
            Decoded decoded = _decoder.Decode(_input.Content.Span, ending);
            _input.Consume(decoded.Consumed);
            if (decoded.Status == DecodeStatus.NeedMore) break;
            _partialSince = 0;
            _partHeld.Set(0);
            ValueTask<Receipt> receipt = decoded.Status switch
            {
                DecodeStatus.Complete => server.Accept(decoded.Message!),
                DecodeStatus.StatusRequest => new(server.Status.Describe()),
                DecodeStatus.ReceiptRequest => new(Answer.Found(server.Find(decoded.Receipt))),
                _ => new(Receipt.Rejected(decoded.Reason)),
            };
            bool immediate = receipt.IsCompleted;
            await AnswerLaterAsync(receipt);
            if (immediate && ++_immediate % AnswersPerYield == 0) await Task.Yield();
            if (decoded.Status == DecodeStatus.OutOfSync) return false;
        }

        if (_input.Length == 0) return true;
        if (_partialSince == 0) _partialSince = server.Time.GetTimestamp();
        if (server.Time.GetElapsedTime(_partialSince) < _limits.MessageTimeout) return true;
        string reason = $"the message did not end within {_limits.MessageTimeout.TotalSeconds} s";
        await AnswerLaterAsync(new(Receipt.Rejected(reason)));
        return false;
    }

    private ValueTask AnswerLaterAsync(ValueTask<Receipt> receipt)
    {
        lock (_queue)
        {
            _inFlightPeak = Math.Max(_inFlightPeak, Interlocked.Increment(ref _inFlight));
            return _due.Writer.WriteAsync(receipt);
        }
    }

    private static Channel<ValueTask<Receipt>> NewQueue(int max) => Channel.CreateBounded<ValueTask<Receipt>>(
        new BoundedChannelOptions(max) { SingleReader = true, SingleWriter = true });

    // A queue that has grown keeps its memory: an idle connection gets a new one.
    private void ReleaseQueue()
    {
        if (_inFlightPeak <= InFlightKept) return;
        lock (_queue)
        {
            // Completed already: the reading loop has ended.
            if (_inFlight > 0 || !_due.Writer.TryComplete()) return;
            _due = NewQueue(_limits.InFlightMax);
            _inFlightPeak = 0;
        }
    }

    // Null: the connection is closed.
    private async ValueTask<Ending?> ReceiveAsync()
    {
        // The decoder rejects messages that are too long, so the largest buffer always has space.
        int space = Math.Max(1, _input.Capacity - _input.Length);
        _input.Reserve(_filled && _input.Capacity < BufferSizeMax ? space + 1 : space);
        bool idle = _input.Length == 0;
        _partHeld.Set(idle ? 0 : _input.Capacity + SessionSize);
        if (idle) Volatile.Write(ref _waitingSince, server.Time.GetTimestamp());
        TimeSpan timeout = idle ? _limits.IdleTimeout : _limits.QuietTimeout;
        try
        {
            if (idle && _input.Capacity > BufferSize) await WaitWithoutBufferAsync(timeout);
            int count = await transport.ReceiveAsync(_input.Free, _receiveTimeout.In(timeout));
            _input.End += count;
            _filled = _input.Free.IsEmpty;
            return count > 0 ? Ending.Open : Ending.Ended;
        }
        catch (OperationCanceledException)
        {
            return Ending.Quiet;
        }
        catch (Exception e) when (IsExpectedEnd(e))
        {
            return null;
        }
    }

    // A connection with a large buffer releases it while it is idle.
    private async ValueTask WaitWithoutBufferAsync(TimeSpan timeout)
    {
        int size = _input.Capacity;
        _input.Release();
        try
        {
            await transport.ReceiveAsync(Memory<byte>.Empty, _receiveTimeout.In(timeout));
        }
        finally
        {
            _input.Reserve(size);
        }
    }

    // All answers that are available are sent together, before waiting for one that is not.
    private async Task AnswerAsync()
    {
        int length = 0;
        try
        {
            while (await _due.Reader.WaitToReadAsync())
            {
                if (_answers.Length == 0) _answers = ArrayPool<byte>.Shared.Rent(AnswersSize);
                while (_due.Reader.TryRead(out ValueTask<Receipt> due))
                {
                    bool flush = !due.IsCompleted || length > _answers.Length - Answer.BytesMax;
                    if (flush && length > 0)
                    {
                        await SendAsync(_answers.AsMemory(0, length));
                        length = 0;
                    }

                    Receipt receipt = await due;
                    server.Status.Record(receipt);
                    length += Answer.Write(receipt, _answers.AsSpan(length));
                    Interlocked.Decrement(ref _inFlight);
                }

                if (length > 0) await SendAsync(_answers.AsMemory(0, length));
                length = 0;
                ReleaseAnswers();
                ReleaseQueue();
            }
        }
        catch (Exception e)
        {
            // A bug in `accept`: the reading loop must end too.
            _due.Writer.TryComplete(e);
            transport.Close();
            throw;
        }
        finally
        {
            ReleaseAnswers();
        }
    }

    private void ReleaseAnswers()
    {
        if (_answers.Length > 0) ArrayPool<byte>.Shared.Return(_answers);
        _answers = [];
    }

    // If the client has disconnected, or does not read, the socket is closed, which ends the reading loop.
    // The outstanding receipts are still awaited, and discarded.
    private async ValueTask SendAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            CancellationToken deadline = _sendTimeout.In(_limits.WriteTimeout);
            while (!bytes.IsEmpty)
            {
                ValueTask<int> sending = transport.SendAsync(bytes, deadline);
                // Until it continues the client may fill the input buffer and the queue of answers.
                _unread = !sending.IsCompleted;
                if (_unread)
                    _unreadHeld.Set(BufferSizeMax + AnswersSize + (_limits.InFlightMax * AnswerDueSize));
                bytes = bytes[await sending..];
            }
        }
        catch (Exception e) when (IsExpectedEnd(e) || e is OperationCanceledException)
        {
            transport.Close();
        }

        _unread = false;
        _unreadHeld.Set(0);
    }

    // Reads and discards what the client still sends: closing with unread bytes makes TCP send a reset, which
    // can overtake the answers.
    private async Task LingerAsync()
    {
        long start = server.Time.GetTimestamp();
        using var timeout = new CancellationTokenSource(_limits.LingerTimeout, server.Time);
        try
        {
            await transport.EndSendingAsync(timeout.Token);
            _input.Consume(_input.Length);
            _input.Reserve(1);
            while (await transport.ReceiveAsync(_input.Free, timeout.Token) > 0
                && server.Time.GetElapsedTime(start) < _limits.LingerMax)
            {
                if (!stop.IsCancellationRequested) timeout.CancelAfter(_limits.LingerTimeout);
            }
        }
        catch (Exception e) when (IsExpectedEnd(e) || e is OperationCanceledException)
        {
            // It is closed either way.
        }
    }

    private static bool IsExpectedEnd(Exception e) => e is SocketException or ObjectDisposedException;
}
