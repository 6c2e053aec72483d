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

internal sealed class SocketSession : IEvictable, IDisposable
{
    // Most messages fit; the buffer grows for longer ones, and for clients that send many at once.
    private const int BufferSize = 4096;
    private const int BufferSizeMax = 2 * Message.EncodedBytesMax;
    private const int AnswersSize = 8192;
    private const int AnswerDueSize = 64;

    private readonly Transport _transport;
    private readonly Deliver _accept;
    private readonly StoreStatus _status;
    private readonly SocketLimits _limits;
    private readonly TimeProvider _time;
    private readonly MessageDecoder _decoder;
    private readonly ReusableTimeout _receiveTimeout;
    private readonly ReusableTimeout _sendTimeout;
    private readonly Channel<ValueTask<Receipt>> _due;
    private readonly MemoryBudget.Hold _partHeld; // an incomplete message
    private readonly MemoryBudget.Hold _unreadHeld; // answers that the client does not read
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
    private byte[] _answers = [];

    // Bytes received and not consumed: [_start, _end) of the buffer; since when they are an incomplete
    // message.
    private int _start;
    private int _end;
    private long _partialSince;
    private int _inFlight;
    private long _waitingSince;
    private volatile bool _unread; // a send is blocked

    // The last receive filled the buffer: a larger one is needed.
    private bool _filled;

    private SocketSession(
        OpenConnection connection, Transport transport, Deliver accept, StoreStatus status,
        SocketLimits limits, MemoryBudget memory, TimeProvider time, CancellationToken stop)
    {
        (_partHeld, _unreadHeld) = (new(memory, transport.Close), new(memory, transport.Close));
        (_transport, _accept, _status, _limits, _time) = (transport, accept, status, limits, time);
        _decoder = new MessageDecoder(time);
        _receiveTimeout = new ReusableTimeout(time, stop);
        _sendTimeout = new ReusableTimeout(time, CancellationToken.None);
        _due = Channel.CreateBounded<ValueTask<Receipt>>(
            new BoundedChannelOptions(limits.InFlightMax) { SingleReader = true, SingleWriter = true });
        _waitingSince = time.GetTimestamp();
        connection.Session = this;
    }

    private enum ReceiveStatus
    {
        Bytes,
        End,
        Nothing,
        Closed,
    }

    // Serves until the client has ended or the stop, and closes the connection. Throws only what `accept`
    // does.
    public static async Task ServeAsync(
        OpenConnection connection, Transport transport, Deliver accept, StoreStatus status,
        SocketLimits limits, MemoryBudget memory, TimeProvider time, CancellationToken stop)
    {
        using var session =
            new SocketSession(connection, transport, accept, status, limits, memory, time, stop);
        Task answering = session.AnswerAsync();
        await Task.WhenAll(session.ReadAsync(stop), answering);
        await session.LingerAsync();
    }

    public long WaitingSince => Volatile.Read(ref _inFlight) == 0 || _unread
        ? Volatile.Read(ref _waitingSince)
        : long.MaxValue;

    public bool TryEvict(long waitingSince)
    {
        if (WaitingSince != waitingSince) return false;
        // A message that arrives at this moment is not answered, and its sender sends it again.
        _transport.Close();
        return true;
    }

    public void Dispose()
    {
        _transport.Dispose();
        _receiveTimeout.Dispose();
        _sendTimeout.Dispose();
        ArrayPool<byte>.Shared.Return(_buffer);
        _partHeld.Set(0);
        _unreadHeld.Set(0);
    }

    private async Task ReadAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                ReceiveStatus received = await ReceiveAsync();
                bool stopped = received == ReceiveStatus.Nothing && stop.IsCancellationRequested;
                if (received == ReceiveStatus.Closed || stopped) return;
                Ending ending = received switch
                {
                    ReceiveStatus.End => Ending.Ended,
                    ReceiveStatus.Nothing => Ending.Quiet,
                    _ => Ending.Open,
                };
                if (!await DecodeAsync(ending) || received == ReceiveStatus.End) return;
                bool idle = received == ReceiveStatus.Nothing && _start == _end
                    && Volatile.Read(ref _inFlight) == 0;
                if (idle) return;
            }
        }
        finally
        {
            _due.Writer.TryComplete();
        }
    }

    // False: stop reading.
    private async ValueTask<bool> DecodeAsync(Ending ending)
    {
        while (true)
        {
            Decoded decoded = _decoder.Decode(_buffer.AsSpan(_start, _end - _start), ending);
            _start += decoded.Consumed;
            if (decoded.Status == DecodeStatus.NeedMore) break;
            _partialSince = 0;
            _partHeld.Set(0);
            await AnswerLaterAsync(decoded.Status switch
            {
                DecodeStatus.Complete => _accept(decoded.Message!),
                DecodeStatus.StatusRequest => new ValueTask<Receipt>(_status.Describe()),
                _ => new ValueTask<Receipt>(Receipt.Rejected(decoded.Reason)),
            });
            if (decoded.Status == DecodeStatus.OutOfSync) return false;
        }

        if (_start == _end) return true;
        if (_partialSince == 0) _partialSince = _time.GetTimestamp();
        if (_time.GetElapsedTime(_partialSince) < _limits.MessageTimeout) return true;
        string reason = $"the message did not end within {_limits.MessageTimeout.TotalSeconds} s";
        await AnswerLaterAsync(new ValueTask<Receipt>(Receipt.Rejected(reason)));
        return false;
    }

    private ValueTask AnswerLaterAsync(ValueTask<Receipt> receipt)
    {
        Interlocked.Increment(ref _inFlight);
        return _due.Writer.WriteAsync(receipt);
    }

    private async ValueTask<ReceiveStatus> ReceiveAsync()
    {
        MakeSpace();
        _partHeld.Set(_start < _end && _buffer.Length > BufferSize ? _buffer.Length : 0);
        if (_start == _end) Volatile.Write(ref _waitingSince, _time.GetTimestamp());
        TimeSpan timeout = _start == _end ? _limits.IdleTimeout : _limits.QuietTimeout;
        try
        {
            if (_start == _end && _buffer.Length > BufferSize) await WaitWithoutBufferAsync(timeout);
            int count = await _transport.ReceiveAsync(_buffer.AsMemory(_end), _receiveTimeout.In(timeout));
            _end += count;
            _filled = _end == _buffer.Length;
            return count > 0 ? ReceiveStatus.Bytes : ReceiveStatus.End;
        }
        catch (OperationCanceledException)
        {
            return ReceiveStatus.Nothing;
        }
        catch (Exception e) when (IsExpectedEnd(e))
        {
            return ReceiveStatus.Closed;
        }
    }

    // A connection with a large buffer releases it while it is idle.
    private async ValueTask WaitWithoutBufferAsync(TimeSpan timeout)
    {
        int size = _buffer.Length;
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        try
        {
            await _transport.ReceiveAsync(Memory<byte>.Empty, _receiveTimeout.In(timeout));
        }
        finally
        {
            (_buffer, _start, _end) = (ArrayPool<byte>.Shared.Rent(size), 0, 0);
        }
    }

    private void MakeSpace()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }

        // The decoder rejects messages that are too long, so the largest buffer always has space.
        if (!_filled || _buffer.Length >= BufferSizeMax) return;
        _filled = false;
        byte[] larger = ArrayPool<byte>.Shared.Rent(2 * _buffer.Length);
        _buffer.AsSpan(0, _end).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = larger;
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
                    _status.Record(receipt);
                    length += Answer.Write(receipt, _answers.AsSpan(length));
                    Interlocked.Decrement(ref _inFlight);
                }

                if (length > 0) await SendAsync(_answers.AsMemory(0, length));
                length = 0;
                ReleaseAnswers();
            }
        }
        catch (Exception e)
        {
            // A bug in `accept`: the reading loop must end too.
            _due.Writer.TryComplete(e);
            _transport.Close();
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
                ValueTask<int> sending = _transport.SendAsync(bytes, deadline);
                // Until it continues the client may fill the input buffer and the queue of answers.
                _unread = !sending.IsCompleted;
                if (_unread)
                    _unreadHeld.Set(BufferSizeMax + AnswersSize + (_limits.InFlightMax * AnswerDueSize));
                bytes = bytes[await sending..];
            }
        }
        catch (Exception e) when (IsExpectedEnd(e) || e is OperationCanceledException)
        {
            _transport.Close();
        }

        _unread = false;
        _unreadHeld.Set(0);
    }

    private async Task LingerAsync()
    {
        using var timeout = new CancellationTokenSource(_limits.LingerTimeout, _time);
        try
        {
            await _transport.EndSendingAsync(timeout.Token);
            while (await _transport.ReceiveAsync(_buffer.AsMemory(), timeout.Token) > 0)
            {
            }
        }
        catch (Exception e) when (IsExpectedEnd(e) || e is OperationCanceledException)
        {
            // It is closed either way.
        }
    }

    private static bool IsExpectedEnd(Exception e) => e is SocketException or ObjectDisposedException;
}
