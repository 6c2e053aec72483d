// The routes of the public site: from method and path to the response.
//
//   GET  /  /index.html             the index page         GET  /healthz   liveness
//   GET  /message  /message.html    the form               GET  /readyz    readiness
//   POST /message  /message.html    a message (FormPost)   GET  any file   of the site folder
//   GET  /receipt/<id>              the receipt            OPTIONS *       the methods of the server
//
// HEAD is allowed wherever GET is; the engine omits the content (RFC 9110 9.3.2).

using System.Diagnostics.CodeAnalysis;
using System.Text;
using Letterbox.Http;
using Letterbox.Messages;
using Microsoft.Extensions.Logging;

namespace Letterbox.Site;

/// <summary>Thread-safe; <see cref="AnswerAsync"/> is the engine's handler.</summary>
internal sealed class LetterboxSite : IDisposable
{
    private static readonly (string, string) s_allowGet = ("Allow", "GET, HEAD, OPTIONS");
    private static readonly (string, string) s_allowPost = ("Allow", "GET, HEAD, POST, OPTIONS");
    private static readonly Response s_options = Response.Create(204, [s_allowGet]);
    private static readonly Response s_optionsPost = Response.Create(204, [s_allowPost]);
    private static readonly Response s_notModified = Response.Create(304, [ResponseFields.ReuseOnBack]);
    private static readonly Response s_preconditionFailed = Response.Create(412, [], default);
    private static readonly Response s_alive = PlainText(200, "ok\n");
    private static readonly Response s_ready = PlainText(200, "ready\n");
    private static readonly Response s_notReady = PlainText(503, "not ready\n");

    // Browsers keep what was typed in a form for the way back to it.
    private const string TooLarge =
        "Your message is far too long: 4,000 characters are the maximum. Your text is not lost: go back with "
        + "your browser, and shorten it.";

    private static readonly TimeSpan s_reloadInterval = TimeSpan.FromSeconds(1);

    private readonly string? _folder;
    private readonly TimeProvider _time;
    private readonly Deliver _deliver;
    private readonly Func<Task<Readiness>> _ready;
    private readonly ILogger _log;
    private readonly RecentReceipts _receipts;
    private readonly ITimer? _watch;
    private readonly HashSet<string> _notRegular = []; // logged once, not every second
    private SiteFile[] _custom = [];
    private string? _failure; // the same
    private volatile SiteFiles _files;
    private volatile Pages _pages;
    private volatile Task _compression;

    /// <summary>Loads the pages; <paramref name="ready"/> is called concurrently.</summary>
    /// <exception cref="IOException">A page cannot be read, or the folder is too large.</exception>
    /// <exception cref="UnauthorizedAccessException">A page may not be read.</exception>
    public LetterboxSite(
        string? folder, TimeProvider time, Deliver deliver, Func<Task<Readiness>> ready, ILogger log)
    {
        (_folder, _time, _deliver, _ready, _log) = (folder, time, deliver, ready, log);
        _receipts = new RecentReceipts(time);
        Load(folder is null ? [] : SiteFolder.List(folder));
        if (folder is null) return;
        _watch = time.CreateTimer(
            static site => ((LetterboxSite)site!).Reload(), this, s_reloadInterval, Timeout.InfiniteTimeSpan);
    }

    // Ends when the current files have been compressed.
    internal Task Compression => _compression;

    /// <summary>How long the client of a request has to wait until it may store this many bytes.</summary>
    internal Func<Request, int, TimeSpan> Limit { get; init; } = static (_, _) => TimeSpan.Zero;

    /// <summary>Asks the stores for the receipts that this process does not remember.</summary>
    internal FindReceipt FindReceipt { get; init; } = static _ => default;

    /// <summary>Never throws for anything that a client can send.</summary>
    public ValueTask<Response> AnswerAsync(Request request)
    {
        Span<char> text = stackalloc char[PathDecoder.PathMax];
        if (!PathDecoder.TryDecode(request.Path, text, out int length)) length = 0;
        ReadOnlySpan<char> path = text[..length];
        bool form = path is "/message" or "/message.html";
        return request.Method switch
        {
            Method.Get or Method.Head => GetAsync(request, path, form),
            Method.Post when form => FormPost.AnswerAsync(request, _pages, _deliver, Limit, _time),
            Method.Unknown =>
                new(Error(501, "This server does not support the method of the request.", request)),
            Method.Options when request.Path.SequenceEqual("*"u8) => new(s_optionsPost),
            _ when !form && !Exists(request, path) && request.Method != Method.Connect =>
                new(NotFound(request)),
            Method.Options => new(form ? s_optionsPost : s_options),
            _ => new(Error(
                405, "This address does not support the method of the request.", request,
                form ? s_allowPost : s_allowGet)),
        };
    }

    /// <summary>Requests that are answered even when connections are short.</summary>
    internal static bool IsHealthCheck(Request request) =>
        request.Path.SequenceEqual("/healthz"u8) || request.Path.SequenceEqual("/readyz"u8);

    /// <summary>The response to a request that the engine rejected.</summary>
    public Response Reject(Rejection reason, Request? request)
    {
        (int status, _, string text) = Rejections.Of(reason);
        bool json = request is not null && WantsJson(request);
        if (reason == Rejection.ContentTooLarge && !json) text = TooLarge;
        return _pages.Error(status, text, json, Rejections.Fields(reason));
    }

    /// <summary>Logs an unexpected exception; the response is a 500.</summary>
    public Response Failure(Exception exception)
    {
        _log.LogError(exception, "a request failed");
        return _pages.Error(500, "Something went wrong on our side. Please try again.", json: false);
    }

    public void Dispose() => _watch?.Dispose();

    // Whether the client prefers JSON to a page.
    internal static bool WantsJson(Request request) =>
        Accept.Prefers(request, "application/json"u8, "text/html"u8)
        || Accept.Prefers(request, "application/problem+json"u8, "text/html"u8);

    private static Response PlainText(int status, string text) =>
        Response.Create(
            status,
            [("Content-Type", "text/plain; charset=utf-8"), ResponseFields.NoStore, ResponseFields.NoSniff],
            Encoding.UTF8.GetBytes(text));

    private ValueTask<Response> GetAsync(Request request, ReadOnlySpan<char> path, bool form)
    {
        if (_files.Find(path) is { } asset) return new(asset.Answer(request));
        if (form) return new(Form(request));
        if (path is "/healthz") return new(s_alive);
        if (path is "/readyz") return ReadyAsync();
        return TryGetReceipt(request, path, out MessageKey id)
            ? _pages.ReceiptAsync(id, FindReceipt, WantsJson(request))
            : new(NotFound(request));
    }

    private bool Exists(Request request, ReadOnlySpan<char> path) =>
        _files.Find(path) is not null || path is "/healthz" or "/readyz"
        || TryGetReceipt(request, path, out _);

    // Without validators: each form has another key.
    private Response Form(Request request) => Preconditions.Evaluate(request) switch
    {
        Precondition.Failed => s_preconditionFailed,
        Precondition.NotModified => s_notModified,
        _ => _pages.Form(),
    };

    // The reasons concern the operator: they are in the logs, and `letterbox health` asks the store for them.
    // Anyone can read this page, and behind a proxy on the same host every client has a loopback address.
    private async ValueTask<Response> ReadyAsync() =>
        (await _ready()).Reasons.Count == 0 ? s_ready : s_notReady;

    // /receipt/<id>; in earlier versions /thanks?id=<id>.
    private static bool TryGetReceipt(Request request, ReadOnlySpan<char> path, out MessageKey id)
    {
        const string prefix = "/receipt/";
        if (path.StartsWith(prefix)) return MessageKey.TryParse(path[prefix.Length..], out id);
        id = default;
        return path is "/thanks" && request.Query.StartsWith("id="u8)
            && MessageKey.TryParse(request.Query[3..], out id);
    }

    private Response NotFound(Request request) => _pages.NotFound(WantsJson(request));

    private Response Error(
        int status, string detail, Request request, params ReadOnlySpan<(string, string)> fields) =>
        _pages.Error(status, detail, WantsJson(request), fields);

    // Compresses on a dedicated thread for up to seconds: the pool's threads serve sockets.
    [MemberNotNull(nameof(_files), nameof(_pages), nameof(_compression))]
    private void Load(SiteFile[] custom)
    {
        var files = SiteFiles.Load(custom, _time.GetUtcNow());
        (_files, _pages) = (files, new Pages(files, _receipts, _time));
        _compression = Task.Factory.StartNew(
            files.Compress, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        // Listed before it was read, so a change meanwhile is found by the next listing.
        _custom = custom;
        foreach (SiteFile file in custom)
        {
            if (!file.Status.IsRegular && _notRegular.Add(file.Path))
                _log.LogWarning("{File} is not a regular file and is not served", file.Path);
        }
    }

    private void Reload()
    {
        try
        {
            SiteFile[] custom = SiteFolder.List(_folder!);
            if (custom.AsSpan().SequenceEqual(_custom)) return;
            Load(custom);
            _log.LogInformation("the site folder has changed and was read again");
            _failure = null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // Probably files are being copied: the pages stay as they were, and the next second retries.
            if (e.Message != _failure)
                _log.LogWarning("cannot read the site folder, retrying: {Reason}", e.Message);
            _failure = e.Message;
        }
        finally
        {
            // One-shot, so that a slow read never overlaps the next.
            _watch?.Change(s_reloadInterval, Timeout.InfiniteTimeSpan);
        }
    }
}
