// What the connections of one server share: the handler, the limits, the clock with its Date line, and the
// sweep that closes connections past their deadline. It does not listen: a listener passes it the sockets.

using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Letterbox.Hosting;

namespace Letterbox.Http;

// Answers one request. Called once the request is complete, content included; on many threads at once, but
// for one connection never concurrently. It must not block: other connections wait for its thread. The
// request is valid until it returns its task: it copies what it needs after its first wait.
internal delegate ValueTask<Response> Handler(Request request);

/// <summary>Answers what the engine rejects; the request holds what was read of its head.</summary>
internal delegate Response RejectionHandler(Rejection reason, Request? request);

/// <summary>The HTTP/1.1 server, without a listener. Thread-safe.</summary>
internal sealed class HttpServer : IDisposable
{
    private readonly ConcurrentQueue<RequestReader> _readers = new();
    private readonly HashSet<HttpConnection> _connections = [];
    private readonly ITimer _sweep;
    private volatile byte[] _dateLine;
    private volatile bool _stopping;

    // `failure` logs an exception of the handler and answers with a 500.
    public HttpServer(
        HttpLimits limits, TimeProvider time, Handler handler, RejectionHandler rejection,
        Func<Exception, Response> failure)
    {
        (Limits, Time, Handler, Reject, Failure) = (limits, time, handler, rejection, failure);
        Memory = new MemoryBudget(limits.MemoryMax);
        _dateLine = MakeDateLine();
        _sweep = time.CreateTimer(
            static server => ((HttpServer)server!).Sweep(), this, limits.SweepInterval, limits.SweepInterval);
    }

    /// <summary>Proxies whose Forwarded and X-Forwarded-For fields are believed.</summary>
    public Predicate<IPAddress> IsTrustedProxy { get; init; } = static _ => false;

    /// <summary>Requests that are answered even when connections are short.</summary>
    public Predicate<Request> IsHealthCheck { get; init; } = static _ => false;
    public HttpLimits Limits { get; }
    public MemoryBudget Memory { get; }
    public TimeProvider Time { get; }
    public Handler Handler { get; }
    public RejectionHandler Reject { get; }
    public Func<Exception, Response> Failure { get; }
    public ReadOnlySpan<byte> DateLine => _dateLine;
    public bool Stopping => _stopping;

    /// <summary>Serves one connection to its end, and closes it.</summary>
    public async Task ServeAsync(OpenConnection accepted)
    {
        var connection = new HttpConnection(this, accepted);
        lock (_connections) _connections.Add(connection);
        try
        {
            await connection.RunAsync();
        }
        finally
        {
            lock (_connections) _connections.Remove(connection);
        }
    }

    /// <summary>Answers a connection with 503, without waiting for its request, and closes it.</summary>
    public void RejectOverload(Socket socket)
    {
        socket.Blocking = false;
        Span<byte> unread = stackalloc byte[4096];
        int received = Math.Max(0, socket.Receive(unread, SocketFlags.None, out _));
        SendOutOfBand(socket, Rejection.Overload, RequestLine.IsHead(unread[..received]));
        // Closing with unread input would be a reset, which can overtake the response.
        for (int i = 0; i < 16 && socket.Receive(unread, SocketFlags.None, out _) > 0;) i++;
        socket.Dispose();
    }

    /// <summary>From now on every response is the last of its connection; idle connections close.</summary>
    public void Stop()
    {
        _stopping = true;
        foreach (HttpConnection connection in Snapshot()) connection.ExpireIdle();
    }

    public void Dispose() => _sweep.Dispose();

    /// <summary>Sends a response to no request, as far as the kernel takes it at once.</summary>
    public void SendOutOfBand(Socket socket, Rejection reason, bool headOnly) =>
        ResponseSender.SendOutOfBand(socket, Reject(reason, null), _dateLine, headOnly);

    public HttpConnection[] Snapshot()
    {
        lock (_connections) return [.. _connections];
    }

    public RequestReader RentReader() =>
        _readers.TryDequeue(out RequestReader? reader) ? reader : new RequestReader(Limits);

    public void ReturnReader(RequestReader reader)
    {
        reader.Reset();
        _readers.Enqueue(reader);
    }

    private void Sweep()
    {
        _dateLine = MakeDateLine();
        long now = Time.GetTimestamp();
        foreach (HttpConnection connection in Snapshot()) connection.Expire(now);
    }

    private byte[] MakeDateLine() =>
        Encoding.ASCII.GetBytes($"Date: {HttpDate.Format(Time.GetUtcNow())}\r\n");
}
