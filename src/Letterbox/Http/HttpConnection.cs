// One connection: bytes in from the socket, requests to the handler, answers out. The only place of the
// engine that waits.
//
//   state            leaves it when                     to               the client is too slow (HttpLimits)
//   Idle             the first byte of a request comes  ReadingHead      closed without a word; before the
//                                                                        first request after HeadTimeout
//   ReadingHead      the head is complete               ReadingContent   408, closed
//   ReadingContent   the request is complete            Responding       408, closed
//   Responding       the answer is sent                 Idle, Lingering, closed (it does not read)
//                                                       Closed
//   Lingering        the client has closed              Closed           closed
//   any but the last: the request is refused            Lingering
//
// Answers to pipelined requests go out together: the output is sent when the input runs dry, never before
// (RFC 9112 9.3.2). An idle connection holds no buffer: it waits for readability, and rents when there is
// something to read.

using System.Buffers;
using System.Net.Sockets;
using Letterbox.Hosting;

namespace Letterbox.Http;

/// <summary>Serves one connection to its end. One loop owns it; the sweep comes from outside.</summary>
internal sealed class HttpConnection : IEvictable
{
    internal enum State
    {
        Idle,
        ReadingHead,
        ReadingContent,
        Responding,
        Lingering,
        Closed,
    }

    private const int InputSize = 16 * 1024;

    // Content up to this is copied behind its head: cheaper than a second send.
    private const int CopyMax = 32 * 1024;
    private const int WouldBlock = -1;

    // A connection that never runs dry lets others have the thread after so many answers.
    private const int AnswersPerTurn = 256;

    // Values of _deadline besides points in time.
    private const long NotWaiting = long.MaxValue;
    private const long Expired = -1;

    private readonly HttpServer _server;
    private readonly HttpLimits _limits;
    private readonly Socket _socket;
    private readonly OpenConnection _accepted;
    private readonly OutputBuffer _output;
    private RequestReader? _reader; // of the request that comes in
    private RequestReader? _handled; // of the one whose answer is due
    private byte[] _input = [];
    private int _start, _end; // the bytes that are not consumed
    private volatile State _state;
    private long _deadline = NotWaiting;
    private long _phaseStarted;
    private long _waitingSince;
    private bool _continued;
    private int _answered;
    private MemoryBudget.Hold? _hold; // made when a client that is waited for makes us hold something
    private bool _held;
    private int _heldByAnswer;

    // Of the request in hand, for its answer: the request itself may be gone by then.
    private bool _headOnly; // no content is sent in answer to HEAD
    private bool _announceKeepAlive; // HTTP/1.0 has to be told (RFC 9112 C.2.2)
    private bool _last; // the client, or its fault, ends the connection
    private bool _closeByServer; // the end of the connection is our wish, not the client's

    public HttpConnection(HttpServer server, OpenConnection accepted)
    {
        (_server, _limits, _accepted, _socket) = (server, server.Limits, accepted, accepted.Socket);
        _output = new OutputBuffer(_socket);
        _socket.Blocking = false;
        accepted.Session = this;
    }

    /// <inheritdoc/>
    public long WaitingSince =>
        Volatile.Read(ref _deadline) is NotWaiting or Expired ? long.MaxValue : _waitingSince;

    /// <summary>Where it stands, whether it waits there, and what it holds: for tests to look at.</summary>
    internal (State State, bool Waiting, int Held, int Capacity) Inspect =>
        (_state, Volatile.Read(ref _deadline) is not (NotWaiting or Expired), _end - _start, _input.Length);

    /// <summary>Serves until somebody ends it. Throws nothing that belongs to a network.</summary>
    public async Task RunAsync()
    {
        try
        {
            bool eager = true;
            while (true)
            {
                int received = eager ? ReceiveNow() : WouldBlock;
                while (received == WouldBlock)
                {
                    if (!BeginWaitForInput()) return;
                    ValueTask<int> readable = _socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None);
                    // A client that was faster than the answer to it will be so again: then a look at the
                    // socket is a system call less, otherwise it is one too many.
                    eager = readable.IsCompleted;
                    await readable;
                    if (!EndWait()) return;
                    received = ReceiveNow();
                }

                if (received <= 0) return; // the client is done; a request cut short is never handed on
                bool open = true;
                while (open && NextRequest(out ValueTask<Response> answer))
                {
                    if (!answer.IsCompleted) await ReleaseBeforeWaitAsync();
                    Response response;
                    try
                    {
                        response = await answer;
                    }
                    catch (Exception e)
                    {
                        response = _server.Failure(e);
                    }

                    open = await RespondAsync(response);
                }

                if (open && await FlushInputExhaustedAsync()) continue;
                await LingerAsync();
                return;
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The client reset the connection, or a deadline closed it: ordinary ends.
        }
        finally
        {
            _state = State.Closed;
            ReleaseInput();
            _output.Release();
            LetGo();
            _socket.Dispose();
        }
    }

    /// <summary>Closes the connection if it waits beyond its deadline. Called by the sweep.</summary>
    public void Expire(long now)
    {
        long deadline = Volatile.Read(ref _deadline);
        if (now >= deadline) Claim(deadline, Rejection.Timeout);
    }

    /// <summary>Closes the connection if no request is in hand. Called when the server stops.</summary>
    public void ExpireIdle()
    {
        long deadline = Volatile.Read(ref _deadline);
        if (_state == State.Idle && deadline != NotWaiting) Claim(deadline, Rejection.Timeout);
    }

    /// <inheritdoc/>
    public bool TryEvict(long waitingSince)
    {
        long deadline = Volatile.Read(ref _deadline);
        return deadline != NotWaiting && _waitingSince == waitingSince && Claim(deadline, Rejection.Overload);
    }

    // Of all that are waited for it makes us hold memory for longest, and memory is short.
    private void ExpireHeld()
    {
        long deadline = Volatile.Read(ref _deadline);
        if (deadline != NotWaiting) Claim(deadline, Rejection.Overload);
    }

    // A client is waited for: what it makes us hold counts.
    private void Hold()
    {
        _held = true;
        _hold ??= new MemoryBudget.Hold(_server.Memory, ExpireHeld);
        _hold.Set(_input.Length + _output.Capacity + _heldByAnswer);
    }

    private void LetGo()
    {
        if (_held) _hold!.Set(0);
        _held = false;
    }

    // The waiting loop and the sweep settle by one exchange who ends the wait.
    private bool Claim(long deadline, Rejection reason)
    {
        if (deadline == Expired || Interlocked.CompareExchange(ref _deadline, Expired, deadline) != deadline)
            return false;
        State state = _state;
        try
        {
            // To close a socket under a wait resets it: right for a client that does not take its answer. For
            // the others the end of the stream wakes the loop, which closes.
            if (state is State.ReadingHead or State.ReadingContent) _server.Say(_socket, reason);
            if (state is State.Responding or State.Lingering) _socket.Dispose();
            else _socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The client, or the loop, was faster.
        }

        return true;
    }

    private bool BeginWaitForInput()
    {
        long now = _server.Time.GetTimestamp();
        if (_start == _end && _reader is null) _state = State.Idle;
        if (_state == State.Idle)
        {
            ReleaseInput();
            LetGo();
            TimeSpan limit = _answered == 0 ? _limits.HeadTimeout : _limits.IdleTimeout;
            _waitingSince = now;
            // An exchange for its fence: either a server that stops sees this wait, or this sees it stop.
            Interlocked.Exchange(ref _deadline, _server.After(now, limit));
            return !_server.Stopping;
        }

        TimeSpan timeout = _limits.HeadTimeout;
        if (_state == State.ReadingContent)
        {
            int received = _end - _start - _reader!.HeadLength;
            timeout = _limits.ContentStartTimeout
                + TimeSpan.FromSeconds((double)received / _limits.ContentBytesPerSecondMin);
        }

        _waitingSince = _phaseStarted;
        Volatile.Write(ref _deadline, _server.After(_phaseStarted, timeout));
        Hold();
        return true;
    }

    // False: the sweep has ended it.
    private bool EndWait() => Interlocked.Exchange(ref _deadline, NotWaiting) != Expired;

    // Reads what is there without waiting: 0 at the end of the stream or on a reset.
    private int ReceiveNow()
    {
        if (_input.Length == 0) _input = ArrayPool<byte>.Shared.Rent(InputSize);
        else if (_end == _input.Length) MakeSpace();
        // Not much beyond the request: what is behind it stays in memory while that is handled.
        int missing = (_reader?.BytesExpected ?? 0) - (_end - _start);
        int room = Math.Min(_input.Length - _end, Math.Max(InputSize, missing));
        int count = _socket.Receive(_input.AsSpan(_end, room), SocketFlags.None, out SocketError error);
        if (error == SocketError.WouldBlock) return WouldBlock;
        if (error != SocketError.Success) return 0;
        _end += count;
        return count;
    }

    // A request never needs more than HttpLimits.RequestBytesMax: the reader refuses it before it does.
    private void MakeSpace()
    {
        ReadOnlySpan<byte> held = _input.AsSpan(_start, _end - _start);
        if (_start > 0)
        {
            held.CopyTo(_input);
        }
        else
        {
            MoveInput(Math.Max(2 * _input.Length, _reader?.BytesExpected ?? 0));
            return;
        }

        (_start, _end) = (0, held.Length);
    }

    private void MoveInput(int size)
    {
        byte[] other = ArrayPool<byte>.Shared.Rent(size);
        _input.AsSpan(_start, _end - _start).CopyTo(other);
        ArrayPool<byte>.Shared.Return(_input);
        (_input, _start, _end) = (other, 0, _end - _start);
    }

    // Hands the next request on, if it is complete. What the answer will have to know of it is noted: the
    // handler has seen the request when it returns, and its bytes are done with.
    private bool NextRequest(out ValueTask<Response> answer)
    {
        answer = default;
        if (_start == _end) return false;
        if (_reader is null) BeginRequest();
        ReadStatus status = _reader!.Read(_input, _start, ref _end);
        if (status == ReadStatus.NeedMore)
        {
            NeedMore();
            return false;
        }

        _state = State.Responding;
        Request request = _reader.Request;
        bool rejected = status == ReadStatus.Rejected;
        (_headOnly, _last) = (request.Method == Method.Head, rejected || !request.KeepAlive);
        _announceKeepAlive = request is { MinorVersion: 0, KeepAlive: true };
        answer = rejected ? new(_server.Reject(_reader.Rejection, request)) : Handle(request);
        if (!rejected) EndRequest();
        LetGo();
        return true;
    }

    private void BeginRequest()
    {
        _reader = _server.RentReader();
        _reader.Request.ComesFrom(_accepted.Peer, _server.Proxies);
        _continued = false;
    }

    private void EndRequest()
    {
        _start += _reader!.Consumed;
        if (_start == _end) _start = _end = 0;
        (_handled, _reader) = (_reader, null);
    }

    // A phase begins with the bytes that came just now.
    private void NeedMore()
    {
        State phase = _reader!.HeadComplete ? State.ReadingContent : State.ReadingHead;
        if (_state == phase) return;
        _state = phase;
        _phaseStarted = _server.Time.GetTimestamp();
    }

    private ValueTask<Response> Handle(Request request)
    {
        try
        {
            return _accepted.IsReserve && !_server.IsVital(request)
                ? new(_server.Reject(Rejection.Overload, request))
                : _server.Handler(request);
        }
        catch (Exception e)
        {
            return new ValueTask<Response>(_server.Failure(e));
        }
    }

    // False: the connection is to be closed.
    private async ValueTask<bool> RespondAsync(Response response)
    {
        Release(ref _handled);
        bool close = _last || _server.Stopping || _accepted.IsReserve;
        _closeByServer = close && !_last;
        await WriteAsync(response, close);
        if (close)
        {
            await SendAsync();
            return false;
        }

        if (!_output.Broken && ++_answered % AnswersPerTurn == 0)
        {
            await SendAsync();
            await Task.Yield();
        }

        return !_output.Broken;
    }

    // The answer is not ready: what is answered already need not wait for it, nor need the memory that the
    // request came in, unless the next one has begun to come. A handler that looks at its request again finds
    // it empty, never another one.
    private ValueTask<bool> ReleaseBeforeWaitAsync()
    {
        _handled!.Request.Clear();
        if (_start == _end) ReleaseInput();
        else if (_input.Length > InputSize && _end - _start <= InputSize) MoveInput(InputSize);
        return SendAsync();
    }

    // All that has come in is answered: send, and say to a client that waits for it that the content may come
    // (RFC 9110 10.1.1). False: the client is gone.
    private async ValueTask<bool> FlushInputExhaustedAsync()
    {
        if (_reader is { ContinueExpected: true } && !_continued)
        {
            _continued = true;
            await ReserveAsync(64);
            _output.Write("HTTP/1.1 100 Continue\r\n\r\n"u8);
        }

        return await SendAsync();
    }

    private async ValueTask WriteAsync(Response response, bool close)
    {
        if (response.Writer is { } writer && !_headOnly)
        {
            await WriteAsync(response, writer, close);
            return;
        }

        ReadOnlyMemory<byte> content = _headOnly ? default : response.Content;
        await ReserveAsync(response.Head.Length + OutputBuffer.LinesMax);
        _output.WriteHead(response, _server.DateLine, close, _announceKeepAlive);
        if (content.Length <= CopyMax)
        {
            await ReserveAsync(content.Length);
            _output.Write(content.Span);
            return;
        }

        // Too much to be worth copying: straight from where it stands.
        if (await SendAsync()) await SendAsync(content);
    }

    private async ValueTask WriteAsync(Response response, ContentWriter writer, bool close)
    {
        await ReserveAsync(response.Head.Length + OutputBuffer.LinesMax);
        _output.WriteHead(response, _server.DateLine, close, _announceKeepAlive);
        _heldByAnswer = response.BytesHeld;
        while (!_output.Broken && _output.WritePart(writer))
        {
            if (_output.IsFull) await SendAsync();
        }

        _heldByAnswer = 0;
    }

    private ValueTask<bool> ReserveAsync(int count) => _output.HasSpace(count) ? new(true) : SendAsync();

    // False: the client is gone. One send is enough nearly always, and then there is no wait to prepare for.
    private ValueTask<bool> SendAsync()
    {
        ReadOnlyMemory<byte> bytes = _output.Written;
        if (!_output.Broken && !bytes.IsEmpty) bytes = bytes[_output.SendNow(bytes.Span)..];
        if (!_output.Broken && !bytes.IsEmpty) return SendRestAsync(bytes);
        _output.Release();
        return new(!_output.Broken);
    }

    private async ValueTask<bool> SendRestAsync(ReadOnlyMemory<byte> bytes)
    {
        bool sent = await SendAsync(bytes);
        _output.Release();
        return sent;
    }

    private async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!_output.Broken && !bytes.IsEmpty)
        {
            int sent = _output.SendNow(bytes.Span);
            bytes = bytes[sent..];
            if (sent == 0 && !_output.Broken)
                bytes = bytes[await SendSliceAsync(bytes[..Math.Min(bytes.Length, _limits.SendSliceMax)])..];
        }

        return !_output.Broken;
    }

    // Whatever is being read besides: a client that does not take its answers gets no other one in between.
    private async ValueTask<int> SendSliceAsync(ReadOnlyMemory<byte> slice)
    {
        State before = _state;
        _state = State.Responding;
        _waitingSince = _server.Time.GetTimestamp();
        Volatile.Write(ref _deadline, _server.After(_waitingSince, _limits.SendTimeout));
        try
        {
            Hold();
            int taken = await _socket.SendAsync(slice, SocketFlags.None);
            if (!EndWait()) return _output.Break();
            _state = before;
            return taken;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Here and not further up: a handler may still be at work on the request, and must be waited for.
            EndWait();
            return _output.Break();
        }
    }

    // Closing with unread input resets the connection, and the reset can overtake the answer: so say that
    // nothing more will come, and listen until the client closes too (RFC 9112 9.6).
    private async ValueTask LingerAsync()
    {
        if (_output.Broken) return;
        // Who asked for the end sends nothing more; who is told of it may have done so already.
        bool unread = _closeByServer || _reader is not null || _end > _start || _socket.Available > 0;
        if (!unread) return;
        _state = State.Lingering;
        if (_input.Length == 0) _input = ArrayPool<byte>.Shared.Rent(InputSize);
        _socket.Shutdown(SocketShutdown.Send);
        _waitingSince = _server.Time.GetTimestamp();
        long deadline = _server.After(_waitingSince, _limits.LingerTimeout);
        for (int received = 0; received < _limits.LingerBytesMax;)
        {
            (_start, _end) = (0, 0);
            Volatile.Write(ref _deadline, deadline);
            Hold();
            int count = await _socket.ReceiveAsync(_input.AsMemory(), SocketFlags.None);
            if (!EndWait() || count == 0) return;
            received += count;
        }
    }

    private void ReleaseInput()
    {
        Release(ref _reader);
        (_start, _end) = (0, 0);
        if (_input.Length == 0) return;
        ArrayPool<byte>.Shared.Return(_input);
        _input = [];
    }

    private void Release(ref RequestReader? reader)
    {
        if (reader is null) return;
        _server.ReturnReader(reader);
        reader = null;
    }
}
