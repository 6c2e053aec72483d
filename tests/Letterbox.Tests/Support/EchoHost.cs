// The engine under a handler that returns what it received, so that a test, or a public conformance suite,
// can check how the engine read its bytes.
//
//   GET, HEAD, POST, OPTIONS  /         the content of the request
//                             /echo     its head: request line, then one field line a line, as they were read
//                             /cookie   its cookies, name=value, one a line
//
// A rejection is answered with the name of the reason as the first word of the content.

using System.Text;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Support;

/// <summary>Serves on loopback until it is disposed.</summary>
internal sealed class EchoHost : IAsyncDisposable
{
    private static readonly (string, string) s_allow = ("Allow", "GET, HEAD, POST, OPTIONS");
    private readonly Listener _listener;

    /// <summary>Starts it.</summary>
    /// <param name="port">Where; 0 picks a free port, see <see cref="Port"/>.</param>
    /// <param name="limits">The engine's limits; its own defaults if none are given.</param>
    /// <param name="time">The engine's clock; the real one if none is given.</param>
    /// <param name="handler">Answers in place of the echo.</param>
    /// <param name="connectionsMax">Connections served at once; one more is turned away.</param>
    public EchoHost(
        int port = 0, HttpLimits? limits = null, TimeProvider? time = null, Handler? handler = null,
        int connectionsMax = 1000)
    {
        Server = new HttpServer(
            limits ?? new HttpLimits(), time ?? TimeProvider.System, handler ?? Answer, Reject, Failure)
        {
            IsHealthCheck = static request => request.Path.SequenceEqual("/vital"u8),
        };
        _listener = new Listener(
            new Address("127.0.0.1", port), connectionsMax, Server.ServeAsync, Server.RejectOverload,
            NullLogger.Instance);
        _listener.Start();
    }

    /// <summary>The engine.</summary>
    public HttpServer Server { get; }

    /// <summary>Where it listens.</summary>
    public int Port => _listener.EndPoint.Port;

    /// <summary>Connections open now.</summary>
    public int Connections => _listener.Connections;

    /// <summary>Stops accepting and waits for the open connections. Returns how many are left.</summary>
    public Task<int> DrainAsync() => _listener.DrainAsync(TimeSpan.FromSeconds(30));

    /// <summary>Echoes.</summary>
    public static ValueTask<Response> Answer(Request request) => new(Echo(request));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Server.Stop();
        await _listener.DrainAsync(TimeSpan.FromSeconds(5));
        _listener.Dispose();
        Server.Dispose();
    }

    private static Response Echo(Request request)
    {
        if (request.Method == Method.Unknown) return Plain(501, []);
        bool any = request.Method == Method.Options && request.Path.SequenceEqual("*"u8);
        if (!any && request.Method is not (Method.Get or Method.Head or Method.Post or Method.Options))
            return Plain(405, [], s_allow);
        return Encoding.ASCII.GetString(request.Path) switch
        {
            "*" => Response.Create(204, [s_allow]),
            "/" when request.Method == Method.Options => Plain(200, request.Content.ToArray(), s_allow),
            "/" => Plain(200, request.Content.ToArray()),
            "/echo" => Plain(200, Head(request)),
            "/cookie" => Plain(200, Cookies(request)),
            _ => Plain(404, []),
        };
    }

    private static Response Reject(Rejection reason, Request? request)
    {
        (int status, string section, string text) = Rejections.Of(reason);
        return Plain(status, Encoding.ASCII.GetBytes($"{reason} ({section}): {text}\n"));
    }

    private static Response Failure(Exception exception) =>
        Plain(500, Encoding.UTF8.GetBytes(exception.Message));

    private static Response Plain(int status, byte[] content, params ReadOnlySpan<(string, string)> fields) =>
        Response.Create(status, [("Content-Type", "text/plain"), .. fields], content);

    private static byte[] Head(Request request)
    {
        string target = Encoding.Latin1.GetString(request.Target);
        var head = new StringBuilder(
            $"{request.Method.ToString().ToUpperInvariant()} {target} 1.{request.MinorVersion}\n");
        for (int i = 0; i < request.FieldCount; i++)
        {
            head.Append(Encoding.Latin1.GetString(request.FieldName(i))).Append(": ");
            head.Append(Encoding.Latin1.GetString(request.FieldValue(i))).Append('\n');
        }

        return Encoding.Latin1.GetBytes(head.ToString());
    }

    // cookie-string = cookie-pair *( ";" SP cookie-pair )        RFC 6265 4.2.1
    private static byte[] Cookies(Request request)
    {
        var cookies = new StringBuilder();
        for (int at = -1; request.NextField("cookie"u8, ref at);)
        {
            foreach (string pair in Encoding.Latin1.GetString(
                request.FieldValue(at)).Split(';', StringSplitOptions.TrimEntries))
            {
                if (pair.IndexOf('=', StringComparison.Ordinal) > 0) cookies.Append(pair).Append('\n');
            }
        }

        return Encoding.Latin1.GetBytes(cookies.ToString());
    }
}
