// What this server serves: from method and path to the answer.
//
//   GET  /  /index.html             the index page         GET  /healthz   the process is alive
//   GET  /message  /message.html    the form               GET  /readyz    messages can be taken, or why not
//   POST /message  /message.html    a message (FormPost)   GET  any file   of the site folder
//   GET  /thanks?id=<receipt>       the thank-you page     OPTIONS *       what the server can do
//
// HEAD goes wherever GET goes; the engine leaves the content away (RFC 9110 9.3.2).

using System.Diagnostics.CodeAnalysis;
using System.Text;
using Letterbox.Http;
using Letterbox.Messages;
using Microsoft.Extensions.Logging;

namespace Letterbox.Site;

/// <summary>The site. Thread-safe; its <see cref="AnswerAsync"/> is the engine's handler.</summary>
public sealed class LetterboxSite : IDisposable
{
    private static readonly (string, string) s_allowGet = ("Allow", "GET, HEAD, OPTIONS");
    private static readonly (string, string) s_allowPost = ("Allow", "GET, HEAD, POST, OPTIONS");
    private static readonly Response s_options = Response.Create(204, [s_allowGet]);
    private static readonly Response s_optionsPost = Response.Create(204, [s_allowPost]);
    private static readonly Response s_alive = PlainText(200, "ok\n");

    private static readonly TimeSpan s_watchEvery = TimeSpan.FromSeconds(1);

    private readonly string? _folder;
    private readonly TimeProvider _time;
    private readonly Deliver _deliver;
    private readonly Func<Task<Readiness>> _ready;
    private readonly ILogger _log;
    private readonly ITimer? _watch;
    private int _fingerprint;
    private string? _failure; // told once, not every second
    private volatile SiteFiles _files;
    private volatile Pages _pages;
    private volatile Task _packing;

    /// <summary>Loads the pages.</summary>
    /// <param name="folder">A folder of one's own to lay over the built-in pages, or <c>null</c>.</param>
    /// <param name="time">The clock.</param>
    /// <param name="deliver">Takes the messages.</param>
    /// <param name="ready">Tells whether messages can be taken now; many ask at once.</param>
    /// <param name="log">Faults go here.</param>
    /// <exception cref="IOException">A page cannot be read, or the folder is too large.</exception>
    /// <exception cref="UnauthorizedAccessException">A page may not be read.</exception>
    public LetterboxSite(
        string? folder, TimeProvider time, Deliver deliver, Func<Task<Readiness>> ready, ILogger log)
    {
        (_folder, _time, _deliver, _ready, _log) = (folder, time, deliver, ready, log);
        // Before the reading, so that a change that comes during it is found.
        if (folder is not null) _fingerprint = SiteFolder.Fingerprint(folder);
        Serve(SiteFiles.Load(folder));
        if (folder is null) return;
        _watch = time.CreateTimer(
            static site => ((LetterboxSite)site!).Reload(), this, s_watchEvery, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Ends when the files that are served now have been compressed.</summary>
    internal Task Packing => _packing;

    /// <summary>How long the client of a request has to wait until it may leave so many bytes.</summary>
    internal Func<Request, int, TimeSpan> Limit { get; init; } = static (_, _) => TimeSpan.Zero;

    /// <summary>Answers one request; never throws for anything a client can send.</summary>
    public ValueTask<Response> AnswerAsync(Request request)
    {
        Span<char> text = stackalloc char[PathDecoder.PathMax];
        if (!PathDecoder.TryDecode(request.Path, text, out int length)) length = 0;
        ReadOnlySpan<char> path = text[..length];
        bool form = path is "/message" or "/message.html";
        return request.Method switch
        {
            Method.Get or Method.Head when path is "/readyz" && _files.Find(path) is null => ReadyAsync(),
            Method.Get or Method.Head => new(Get(request, path, form)),
            Method.Post when form => FormPost.AnswerAsync(request, _pages, _deliver, Limit, _time),
            Method.Unknown =>
                new(Error(501, "This server does not know the method of the request.", request)),
            Method.Options when request.Path.SequenceEqual("*"u8) => new(s_optionsPost),
            _ when !form && !Exists(path) && request.Method != Method.Connect => new(NotFound(request)),
            Method.Options => new(form ? s_optionsPost : s_options),
            _ => new(Error(
                405, "This address does not take requests of that method.", request,
                form ? s_allowPost : s_allowGet)),
        };
    }

    /// <summary>Whether this is to be answered even when there is no room for anything else.</summary>
    internal static bool IsHealth(Request request) =>
        request.Path.SequenceEqual("/healthz"u8) || request.Path.SequenceEqual("/readyz"u8);

    /// <summary>The answer to a request that the engine refused.</summary>
    public Response Reject(Rejection reason, Request? request)
    {
        (int status, _, string text) = Rejections.Of(reason);
        return _pages.Error(status, text, request is not null && WantsJson(request));
    }

    /// <summary>The answer when a fault of ours came up; it is logged here.</summary>
    public Response Failure(Exception exception)
    {
        _log.LogError(exception, "a request ended by a fault");
        return _pages.Error(500, "Something went wrong on our side. Please try again.", json: false);
    }

    /// <inheritdoc/>
    public void Dispose() => _watch?.Dispose();

    /// <summary>
    /// The client asked for JSON: it accepts it and does not accept HTML by name (RFC 9110 12.5.1).
    /// </summary>
    internal static bool WantsJson(Request request)
    {
        bool json = false;
        for (int at = -1; request.NextField("accept"u8, ref at);)
        {
            if (request.FieldValue(at).IndexOf("text/html"u8) >= 0) return false;
            json |= request.FieldValue(at).IndexOf("application/json"u8) >= 0
                || request.FieldValue(at).IndexOf("application/problem+json"u8) >= 0;
        }

        return json;
    }

    private static Response PlainText(int status, string text) =>
        Response.Create(
            status,
            [("Content-Type", "text/plain; charset=utf-8"), ResponseFields.NoStore, ResponseFields.NoSniff],
            Encoding.UTF8.GetBytes(text));

    private Response Get(Request request, ReadOnlySpan<char> path, bool form)
    {
        if (_files.Find(path) is { } asset) return asset.Answer(request);
        if (form) return _pages.Form();
        return path switch
        {
            "/healthz" => s_alive,
            "/thanks" => Thanks(request),
            _ => NotFound(request),
        };
    }

    private bool Exists(ReadOnlySpan<char> path) =>
        _files.Find(path) is not null || path is "/healthz" or "/readyz" or "/thanks";

    private async ValueTask<Response> ReadyAsync()
    {
        Readiness readiness = await _ready();
        return readiness.Reasons.Count == 0
            ? PlainText(200, Lines(["ready", .. readiness.Notes]))
            : PlainText(503, Lines(readiness.Reasons));

        static string Lines(IReadOnlyList<string> lines) => string.Join('\n', lines) + '\n';
    }

    private Response Thanks(Request request)
    {
        ReadOnlySpan<byte> query = request.Query;
        int end = query.IndexOf((byte)'&') is >= 0 and var and ? and : query.Length;
        if (!query.StartsWith("id="u8) || !MessageKey.TryParse(query[3..end], out MessageKey id))
            return NotFound(request);
        return _pages.Thanks(id.ToString(), WantsJson(request));
    }

    private Response NotFound(Request request) => _pages.NotFound(WantsJson(request));

    private Response Error(
        int status, string detail, Request request, params ReadOnlySpan<(string, string)> fields) =>
        _pages.Error(status, detail, WantsJson(request), fields);

    // On a thread of its own, which may take seconds: those that serve sockets must not compress.
    [MemberNotNull(nameof(_files), nameof(_pages), nameof(_packing))]
    private void Serve(SiteFiles files)
    {
        (_files, _pages) = (files, new Pages(files, _time));
        _packing = Task.Factory.StartNew(
            files.Pack, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private void Reload()
    {
        try
        {
            int fingerprint = SiteFolder.Fingerprint(_folder!);
            if (fingerprint == _fingerprint) return;
            Serve(SiteFiles.Load(_folder));
            _fingerprint = fingerprint;
            _log.LogInformation("read the site folder again: it has changed");
            _failure = null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // Half-way through somebody's copying, most likely: the pages stay as they were, the next second
            // tries again.
            if (e.Message != _failure) _log.LogWarning("cannot read the site folder now: {Reason}", e.Message);
            _failure = e.Message;
        }
        finally
        {
            // Once more when this reading is done, however long it took.
            _watch?.Change(s_watchEvery, Timeout.InfiniteTimeSpan);
        }
    }
}
