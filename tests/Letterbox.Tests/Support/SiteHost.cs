// The real site on the real engine, on a free port of loopback, delivering to a script.

using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Http;
using Letterbox.Messages;
using Letterbox.Site;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Tests.Support;

/// <summary>Serves until it is disposed. What was delivered is in <see cref="Delivered"/>.</summary>
internal sealed class SiteHost : IAsyncDisposable
{
    private readonly LetterboxSite _site;
    private readonly HttpServer _server;
    private readonly Listener _listener;

    /// <summary>Starts the site over a folder of one's own, if one is named.</summary>
    public SiteHost(string? folder = null, TimeProvider? time = null, ILogger? log = null)
    {
        time ??= TimeProvider.System;
        _site = new LetterboxSite(
            folder, time, Deliver, () => Task.FromResult(Readiness), log ?? NullLogger.Instance)
        {
            FindReceipt = id => new(Find(id)),
        };
        _server = new HttpServer(new HttpLimits(), time, _site.AnswerAsync, _site.Reject, _site.Failure);
        _listener = new Listener(
            new Address("127.0.0.1", 0), 100, _server.ServeAsync, _server.RejectOverload,
            NullLogger.Instance);
        _listener.Start();
        Client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false })
        {
            BaseAddress = new Uri($"http://127.0.0.1:{_listener.EndPoint.Port}/"),
        };
    }

    /// <summary>Asks this site; follows no redirects.</summary>
    public HttpClient Client { get; }

    /// <summary>Ends when the files have been compressed.</summary>
    public Task Compression => _site.Compression;

    /// <summary>Every message that reached the store's end, in order.</summary>
    public ConcurrentQueue<Message> Delivered { get; } = new();

    /// <summary>What the store's end says to the next message.</summary>
    public Func<Message, Receipt> Store { get; set; } = static message => Receipt.Stored(message.Id);

    /// <summary>What the store's end answers to a request for a receipt.</summary>
    public Func<MessageKey, FoundReceipt> Find { get; set; } =
        static _ => new FoundReceipt(ReceiptState.Unknown);

    /// <summary>Whether the site is ready.</summary>
    public Readiness Readiness { get; set; } = new([], []);

    /// <summary>Posts content of this media type to /message.</summary>
    public Task<HttpResponseMessage> PostAsync(
        string content, string? mediaType = "application/x-www-form-urlencoded", string? accept = null)
    {
        var body = new ByteArrayContent(Encoding.UTF8.GetBytes(content));
        var request = new HttpRequestMessage(HttpMethod.Post, "message") { Content = body };
        if (mediaType is not null) request.Content.Headers.TryAddWithoutValidation("Content-Type", mediaType);
        if (accept is not null) request.Headers.TryAddWithoutValidation("Accept", accept);
        return Client.SendAsync(request);
    }

    /// <summary>Gets a page; the status and the content.</summary>
    public async Task<(HttpStatusCode Status, string Content)> GetAsync(string path)
    {
        using HttpResponseMessage response = await Client.GetAsync(path);
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        _server.Stop();
        await _listener.DrainAsync(TimeSpan.FromSeconds(5));
        _listener.Dispose();
        _server.Dispose();
        _site.Dispose();
    }

    private ValueTask<Receipt> Deliver(Message message)
    {
        Delivered.Enqueue(message);
        return new(Store(message));
    }
}
