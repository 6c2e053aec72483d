// One connection: bytes in from the socket, requests to the handler, responses out.
//
//   state            leaves it when                     to               the client is too slow (HttpLimits)
//   Idle             the first byte of a request comes  ReadingHead      closed silently; before the first
//                                                                        request after HeadTimeout
//   ReadingHead      the head is complete               ReadingContent   408, closed
//   ReadingContent   the request is complete            Responding       408, closed
//   Responding       the response is sent               Idle, Lingering, closed (it does not read)
//                                                       Closed
//   Lingering        the client has closed              Closed           closed
//   any but the last: the request is rejected           Lingering
//
// Responses to pipelined requests leave together: the output is sent when the input runs dry, never before
// (RFC 9112 9.3.2). An idle connection holds no buffer: it waits for readability, and rents when there is
// something to read.

using System.Net.Sockets;
using Letterbox.Hosting;

namespace Letterbox.Http;

/// <summary>One loop owns it; any thread may expire its waits.</summary>
internal sealed class HttpConnection : IEvictable
{
    internal enum State { Idle, ReadingHead, ReadingContent, Responding, Lingering, Closed }

    // A connection whose input never runs dry yields the thread to others after this many responses.
    private const int ResponsesPerYield = 256;

    private const int InputSize = 16 * 1024;

    // Results of Receive besides a number of bytes.
    private const int WouldBlock = -1, Ended = 0;

    private readonly HttpServer _server;
    private readonly OpenConnection _accepted;
    private readonly Socket _socket;
    private readonly ByteBuffer _input = new(InputSize);
    private readonly ResponseSender _sender;
    private readonly ConnectionTimeout _timeout;
    private RequestReader? _reader; // of the request being received
    private RequestReader? _handled; // of the request being answered
    private MemoryBudget.Hold? _memory; // made at the first wait during which the client makes us hold memory
    private volatile State _state;
    private long _phaseStarted;
    private int _responses;
    private bool _continueSent;
    private bool _isHead; // of the request that is waited for
    private bool _closeByServer; // the server ends the connection, not the client
    private SendOptions _options; // of the response that is due: its request may be released by then

    public HttpConnection(HttpServer server, OpenConnection accepted)
    {
        (_server, _accepted, _socket) = (server, accepted, accepted.Socket);
        _socket.Blocking = false;
        _timeout = new ConnectionTimeout(server.Time);
        _sender = new ResponseSender(server, _socket, _timeout, CountMemory);
        accepted.Session = this;
    }

    public long WaitingSince => _timeout.WaitingSince;

    /// <summary>For tests.</summary>
    internal (State State, bool Waiting, int Held, int Capacity, long Deadline) Inspect =>
        (_sender.IsWaiting && _state != State.Closed ? State.Responding : _state, _timeout.IsWaiting,
            _input.Length, _input.Capacity, _timeout.Deadline);

    /// <summary>Serves until either side ends it. Ordinary network errors are not thrown.</summary>
    public async Task RunAsync()
    {
        try
        {
            bool receiveFirst = true;
            while (true)
            {
                int received = receiveFirst ? Receive() : WouldBlock;
                while (received == WouldBlock)
                {
                    if (!BeginWaitForInput()) return;
                    ValueTask<int> readable = _socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None);
                    // A client that was faster than its response will be so again: then receiving without
                    // waiting saves a system call, otherwise it wastes one.
                    receiveFirst = readable.IsCompleted;
                    await readable;
                    if (!_timeout.End()) return;
                    received = Receive();
                }

                if (received == Ended) return; // the client has ended; a request cut short is never handled
                bool open = true;
                while (open && NextRequest(out ValueTask<Response> handling))
                {
                    if (!handling.IsCompleted) await ReleaseBeforeWaitAsync();
                    Response response;
                    try
                    {
                        response = await handling;
                    }
                    catch (Exception e)
                    {
                        response = _server.Failure(e);
                    }

                    open = await RespondAsync(response);
                }

                if (open && await SendPendingAsync()) continue;
                await LingerAsync();
                return;
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The client reset the connection, or a timeout closed it: ordinary ends.
        }
        finally
        {
            _state = State.Closed;
            ReleaseInput();
            _sender.Release();
            _memory?.Set(0);
            _socket.Dispose();
        }
    }

    /// <summary>Closes the connection if its wait is past its deadline. Called by the sweep.</summary>
    public void Expire(long now)
    {
        long deadline = _timeout.Deadline;
        if (now >= deadline) Expire(deadline, Rejection.Timeout);
    }

    /// <summary>Closes the connection if it has no request. Called when the server stops.</summary>
    public void ExpireIdle()
    {
        long deadline = _timeout.Deadline;
        if (_state == State.Idle) Expire(deadline, Rejection.Timeout);
    }

    public bool TryEvict(long waitingSince)
    {
        long deadline = _timeout.Deadline;
        return _timeout.WaitingSince == waitingSince && Expire(deadline, Rejection.Overload);
    }

    private bool Expire(long deadline, Rejection reason)
    {
        if (!_timeout.TryExpire(deadline)) return false;
        State state = _state;
        bool unread = state == State.Lingering || _sender.IsWaiting;
        try
        {
            // Disposing a socket during a wait resets it: right for a client that does not take its response.
            // For others the end of the stream wakes the loop, which closes.
            if (!unread && state is State.ReadingHead or State.ReadingContent)
                _server.SendOutOfBand(_socket, reason, _isHead);
            if (unread) _socket.Dispose();
            else _socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The client, or the loop, was faster.
        }

        return true;
    }

    // A wait begins: what the client makes the server hold counts. When memory is short, the connection that
    // has held some for longest is closed.
    private void CountMemory()
    {
        _memory ??= new MemoryBudget.Hold(
            _server.Memory, () => Expire(_timeout.Deadline, Rejection.Overload));
        _memory.Set(_input.Capacity + _sender.BytesHeld);
    }

    // False: the server stops.
    private bool BeginWaitForInput()
    {
        HttpLimits limits = _server.Limits;
        long now = _server.Time.GetTimestamp();
        if (_input.Length == 0 && _reader is null) _state = State.Idle;
        if (_state == State.Idle)
        {
            ReleaseInput();
            _memory?.Set(0);
            _timeout.Begin(now, _responses == 0 ? limits.HeadTimeout : limits.IdleTimeout);
            return !_server.Stopping;
        }

        TimeSpan timeout = limits.HeadTimeout;
        if (_state == State.ReadingContent)
        {
            int received = _input.Length - _reader!.HeadLength;
            timeout = limits.ContentStartTimeout
                + TimeSpan.FromSeconds((double)received / limits.ContentBytesPerSecondMin);
        }

        _timeout.Begin(_phaseStarted, timeout);
        CountMemory();
        return true;
    }

    // Receives without waiting. A reset is an end, too.
    private int Receive()
    {
        int missing = (_reader?.BytesExpected ?? 0) - _input.Length;
        if (_input.Free.IsEmpty) _input.Reserve(Math.Max(1, missing));
        // Not much beyond the request: what follows it stays in memory while the request is handled.
        Span<byte> space = _input.Free.Span;
        space = space[..Math.Min(space.Length, Math.Max(InputSize, missing))];
        int count = _socket.Receive(space, SocketFlags.None, out SocketError error);
        if (error == SocketError.WouldBlock) return WouldBlock;
        if (error != SocketError.Success) return Ended;
        _input.End += count;
        return count;
    }

    // Passes the next request to the handler if it is complete. The handler has read the request when it
    // returns its task: the bytes are consumed, and what the response depends on is kept in _options.
    private bool NextRequest(out ValueTask<Response> handling)
    {
        handling = default;
        if (_input.Length == 0) return false;
        if (_reader is null) BeginRequest();
        int end = _input.End;
        ReadStatus status = _reader!.Read(_input.Bytes, _input.Start, ref end);
        _input.End = end;
        if (status == ReadStatus.NeedMore)
        {
            NeedMore();
            return false;
        }

        _state = State.Responding;
        Request request = _reader!.Request;
        bool rejected = status == ReadStatus.Rejected;
        _options = new SendOptions(
            HeadOnly: request.Method == Method.Head, Close: rejected || !request.KeepAlive,
            AnnounceKeepAlive: request is { MinorVersion: 0, KeepAlive: true });
        handling = rejected ? new(_server.Reject(_reader.Rejection, request)) : Handle(request);
        if (!rejected)
        {
            _input.Consume(_reader.Consumed);
            (_handled, _reader) = (_reader, null);
        }

        _memory?.Set(0);
        return true;
    }

    private void BeginRequest()
    {
        _reader = _server.RentReader();
        _reader.Request.SetPeer(_accepted.Peer, _server.IsTrustedProxy);
        _continueSent = false;
    }

    // A phase begins with the bytes that arrived just now.
    private void NeedMore()
    {
        _isHead = _reader!.Request.Method == Method.Head;
        State phase = _reader.HeadComplete ? State.ReadingContent : State.ReadingHead;
        if (_state == phase) return;
        _state = phase;
        _phaseStarted = _server.Time.GetTimestamp();
    }

    private ValueTask<Response> Handle(Request request)
    {
        try
        {
            return _accepted.IsReserve && !_server.IsHealthCheck(request)
                ? new(_server.Reject(Rejection.Overload, request))
                : _server.Handler(request);
        }
        catch (Exception e)
        {
            return new(_server.Failure(e));
        }
    }

    // False: the connection is to be closed.
    private async ValueTask<bool> RespondAsync(Response response)
    {
        ReturnReader(ref _handled);
        _closeByServer = !_options.Close && (_server.Stopping || _accepted.IsReserve);
        bool close = _options.Close || _closeByServer;
        await _sender.WriteAsync(response, _options with { Close = close });
        if (close)
        {
            await _sender.SendAsync();
            return false;
        }

        if (!_sender.IsBroken && ++_responses % ResponsesPerYield == 0)
        {
            await _sender.SendAsync();
            await Task.Yield();
        }

        return !_sender.IsBroken;
    }

    // The response is not ready: earlier responses need not wait for it, nor does the memory that held the
    // request. A handler that reads its request later finds it empty, never another one.
    private ValueTask<bool> ReleaseBeforeWaitAsync()
    {
        _handled!.Request.Clear();
        _input.Shrink();
        return _sender.SendAsync();
    }

    // All input is answered: sends, with a 100 for a client that waits for it before it sends its content
    // (RFC 9110 10.1.1). False: the client cannot be reached.
    private async ValueTask<bool> SendPendingAsync()
    {
        if (_reader is { ContinueExpected: true } && !_continueSent)
        {
            _continueSent = true;
            await _sender.WriteContinueAsync();
        }

        return await _sender.SendAsync();
    }

    // Closing with unread input resets the connection, and the reset can overtake the response: so ends the
    // sending side and receives until the client closes too (RFC 9112 9.6), however much that is: a client
    // may send all of a large content before it reads the rejection.
    private async ValueTask LingerAsync()
    {
        if (_sender.IsBroken) return;
        // A client that asked for the end sends nothing more; one that did not may have sent already.
        bool unread = _closeByServer || _reader is not null || _input.Length > 0 || _socket.Available > 0;
        if (!unread) return;
        ReleaseInput();
        _state = State.Lingering;
        _socket.Shutdown(SocketShutdown.Send);
        HttpLimits limits = _server.Limits;
        long start = _server.Time.GetTimestamp();
        while (true)
        {
            TimeSpan next = _server.Time.GetElapsedTime(start) + limits.LingerTimeout;
            TimeSpan max = _server.Stopping ? limits.LingerMaxAtStop : limits.LingerMax;
            _timeout.Begin(start, next < max ? next : max);
            CountMemory();
            await _socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None);
            if (!_timeout.End() || Receive() == Ended) return;
            _input.Release();
            // Other connections are served meanwhile, however fast the client sends.
            await Task.Yield();
        }
    }

    private void ReleaseInput()
    {
        ReturnReader(ref _reader);
        _input.Release();
    }

    private void ReturnReader(ref RequestReader? reader)
    {
        if (reader is null) return;
        _server.ReturnReader(reader);
        reader = null;
    }
}
