// What the connections of one server share: the handler, the limits, the clock with its Date line, and the
// sweep that ends whoever keeps us waiting. It accepts nothing itself: whoever listens hands the sockets in.

using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Letterbox.Configuration;
using Letterbox.Hosting;

namespace Letterbox.Http;

/// <summary>
/// Answers one request. Called once the request is complete, content included; on many threads at once, for
/// one connection never twice at a time. It must not block: other connections wait on its thread. The request
/// is there until it returns its task: what it needs after its first wait it takes with it.
/// </summary>
public delegate ValueTask<Response> Handler(Request request);

/// <summary>Answers what the engine refuses; the request shows what of its head was read.</summary>
public delegate Response RejectionHandler(Rejection reason, Request? request);

/// <summary>The HTTP/1.1 server, without a listener. Thread-safe.</summary>
public sealed class HttpServer : IDisposable
{
    private readonly ConcurrentQueue<RequestReader> _readers = new();
    private readonly HashSet<HttpConnection> _connections = [];
    private readonly RejectionHandler _rejection;
    private readonly Func<Exception, Response> _failure;
    private readonly ITimer _sweep;
    private volatile byte[] _dateLine;
    private volatile bool _stopping;

    /// <summary>Makes the server; it is ready at once.</summary>
    /// <param name="limits">Every bound.</param>
    /// <param name="time">The clock of the deadlines and of Date.</param>
    /// <param name="handler">Answers requests.</param>
    /// <param name="rejection">Answers what is refused.</param>
    /// <param name="failure">Told of an exception that a handler let go; answers with a 500.</param>
    public HttpServer(
        HttpLimits limits, TimeProvider time, Handler handler, RejectionHandler rejection,
        Func<Exception, Response> failure)
    {
        (Limits, Time, Handler, _rejection, _failure) = (limits.Checked(), time, handler, rejection, failure);
        Memory = new MemoryBudget(limits.MemoryMax);
        _dateLine = MakeDateLine();
        _sweep = time.CreateTimer(
            static server => ((HttpServer)server!).Sweep(), this, limits.SweepInterval, limits.SweepInterval);
    }

    /// <summary>Whose word on who their client is counts.</summary>
    internal TrustedProxies Proxies { get; init; } = TrustedProxies.None;

    /// <summary>What is answered when there is no room for anything else.</summary>
    internal Func<Request, bool> IsVital { get; init; } = static _ => false;

    internal HttpLimits Limits { get; }

    internal MemoryBudget Memory { get; }

    internal TimeProvider Time { get; }

    internal Handler Handler { get; }

    internal ReadOnlySpan<byte> DateLine => _dateLine;

    internal bool Stopping => _stopping;

    /// <summary>Serves one connection to its end, and closes it.</summary>
    internal async Task ServeAsync(OpenConnection accepted)
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

    /// <summary>Turns one connection away with a 503, without waiting for it, and closes it.</summary>
    public void RejectOverload(Socket socket)
    {
        socket.Blocking = false;
        Say(socket, Rejection.Overload);
        // To close over what has come in and is unread would be a reset, which can overtake the answer.
        Span<byte> unread = stackalloc byte[4096];
        for (int i = 0; i < 16 && socket.Receive(unread, SocketFlags.None, out _) > 0;) i++;
        socket.Dispose();
    }

    /// <summary>From now on every answer is its connection's last; idle connections end at once.</summary>
    public void Stop()
    {
        _stopping = true;
        foreach (HttpConnection connection in Snapshot()) connection.ExpireIdle();
    }

    /// <inheritdoc/>
    public void Dispose() => _sweep.Dispose();

    /// <summary>Sends an answer to no request, as far as the kernel takes it at once.</summary>
    internal void Say(Socket socket, Rejection reason) =>
        new OutputBuffer(socket).SendLast(_rejection(reason, null), _dateLine);

    internal HttpConnection[] Snapshot()
    {
        lock (_connections) return [.. _connections];
    }

    internal Response Reject(Rejection reason, Request request) => _rejection(reason, request);

    internal Response Failure(Exception exception) => _failure(exception);

    /// <summary>The timestamp that lies so much later.</summary>
    internal long After(long timestamp, TimeSpan span) =>
        timestamp + (long)(span.TotalSeconds * Time.TimestampFrequency);

    internal RequestReader RentReader() =>
        _readers.TryDequeue(out RequestReader? reader) ? reader : new RequestReader(Limits);

    internal void ReturnReader(RequestReader reader)
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
