// The pages and files: routing, errors, and a folder of custom files.

using System.Net;
using Letterbox.Messages;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Site;

public sealed class SiteTests
{
    private const string Receipt = "65f0c0ffee0123456789abcd";

    [Theory]
    [InlineData("/", "text/html")]
    [InlineData("/index.html", "text/html")]
    [InlineData("/message", "text/html")]
    [InlineData("/message.html", "text/html")]
    [InlineData("/receipt/" + Receipt, "text/html")]
    [InlineData("/thanks?id=" + Receipt, "text/html")]
    [InlineData("/style.css", "text/css")]
    [InlineData("/logo.png", "image/png")]
    [InlineData("/favicon.ico", "image/x-icon")]
    [InlineData("/icon.svg", "image/svg+xml")]
    [InlineData("/apple-touch-icon.png", "image/png")]
    [InlineData("/letterbox.js", "text/javascript")]
    [InlineData("/robots.txt", "text/plain")]
    [InlineData("/healthz", "text/plain")]
    [InlineData("/readyz", "text/plain")]
    public async Task Every_address_of_the_site_answers(string path, string mediaType)
    {
        await using var site = new SiteHost();
        site.Find = static _ => new(ReceiptState.Stored, "2022-10-29 20:20:58.020261");
        using var response = await site.Client.GetAsync(path);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(mediaType, response.Content.Headers.ContentType!.MediaType);
        Assert.NotEmpty(await response.Content.ReadAsByteArrayAsync());
        Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
        if (mediaType == "text/html")
        {
            string policy = Assert.Single(response.Headers.GetValues("Content-Security-Policy"));
            Assert.StartsWith("default-src 'none'", policy, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("/no/such/page")]
    [InlineData("/error.html")]
    [InlineData("/thanks.html")]
    [InlineData("/receipt")]
    [InlineData("/receipt/")]
    [InlineData("/receipt/nonsense")]
    [InlineData("/receipt/65f0c0ffee0123456789abc")]
    [InlineData("/receipt/65f0c0ffee0123456789abcd")]
    [InlineData("/thanks")]
    [InlineData("/thanks?id=nonsense")]
    [InlineData("/style.css/")]
    public async Task An_unknown_address_gets_the_error_page_and_404(string path)
    {
        await using var site = new SiteHost();
        var (status, page) = await site.GetAsync(path);
        Assert.Equal(HttpStatusCode.NotFound, status);
        Assert.Contains("404", page, StringComparison.Ordinal);
        Assert.DoesNotContain("{{", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_asks_for_json_gets_errors_as_problems()
    {
        await using var site = new SiteHost();
        site.Client.DefaultRequestHeaders.Add("Accept", "application/json");
        using var response = await site.Client.GetAsync("/nowhere");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
    }

    [Theory]
    [InlineData("DELETE", "/message", HttpStatusCode.MethodNotAllowed, "GET, HEAD, POST, OPTIONS")]
    [InlineData("POST", "/", HttpStatusCode.MethodNotAllowed, "GET, HEAD, OPTIONS")]
    [InlineData("PUT", "/style.css", HttpStatusCode.MethodNotAllowed, "GET, HEAD, OPTIONS")]
    [InlineData("POST", "/receipt/65f0c0ffee0123456789abcd",
        HttpStatusCode.MethodNotAllowed, "GET, HEAD, OPTIONS")]
    [InlineData("POST", "/nowhere", HttpStatusCode.NotFound, null)]
    [InlineData("BREW", "/", HttpStatusCode.NotImplemented, null)]
    [InlineData("OPTIONS", "/message", HttpStatusCode.NoContent, "GET, HEAD, POST, OPTIONS")]
    public async Task Methods_are_answered_as_the_rfc_asks(
        string method, string path, HttpStatusCode status, string? allow)
    {
        await using var site = new SiteHost();
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var response = await site.Client.SendAsync(request);
        Assert.Equal(status, response.StatusCode);
        ICollection<string> allowed = response.Content.Headers.Allow;
        Assert.Equal(allow, allowed.Count == 0 ? null : string.Join(", ", allowed));
    }

    [Theory]
    [InlineData("If-Match", "\"x\"", HttpStatusCode.PreconditionFailed)]
    [InlineData("If-Match", "*", HttpStatusCode.OK)]
    [InlineData("If-None-Match", "*", HttpStatusCode.NotModified)]
    [InlineData("If-None-Match", "\"x\"", HttpStatusCode.OK)]
    [InlineData("If-Modified-Since", "Sun, 06 Nov 2044 08:49:37 GMT", HttpStatusCode.OK)]
    [InlineData("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", HttpStatusCode.OK)]
    public async Task The_form_has_no_validators(string name, string value, HttpStatusCode status)
    {
        await using var site = new SiteHost();
        site.Client.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
        Assert.Equal(status, (await site.GetAsync("/message")).Status);
    }

    [Fact]
    public async Task A_custom_folder_overrides_the_built_in_pages_and_is_read_again_when_it_changes()
    {
        using var folder = new TempFolder();
        folder.Write("index.html", "my own index");
        folder.Write("sub/index.html", "deeper");
        folder.Write("sub/data with space.json", "{}");
        folder.Write(".env", "secret");
        folder.Write(".well-known/security.txt", "contact");
        folder.Write("error.html", "own error {{status}}");
        var time = new ManualTime();
        await using var site = new SiteHost(folder.Path, time);
        Assert.Equal("my own index", (await site.GetAsync("/")).Content);
        Assert.Equal("deeper", (await site.GetAsync("/sub/")).Content);
        Assert.Equal("{}", (await site.GetAsync("/sub/data%20with%20space.json")).Content);
        Assert.Equal("contact", (await site.GetAsync("/.well-known/security.txt")).Content);
        Assert.Equal((HttpStatusCode.NotFound, "own error 404"), await site.GetAsync("/.env"));
        Assert.Equal(HttpStatusCode.OK, (await site.GetAsync("/message")).Status);

        folder.Write("index.html", "my new index");
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("my new index", (await site.GetAsync("/")).Content);
        folder.Write("new.txt", "new");
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("new", (await site.GetAsync("/new.txt")).Content);
    }

    [Fact]
    public async Task A_link_serves_its_target_and_a_dangling_one_nothing()
    {
        using var folder = new TempFolder();
        using var elsewhere = new TempFolder();
        elsewhere.Write("page", "before");
        File.CreateSymbolicLink(folder.File("linked.txt"), elsewhere.File("page"));
        File.CreateSymbolicLink(folder.File("dangling.txt"), elsewhere.File("nothing"));
        File.CreateSymbolicLink(folder.File("itself.txt"), folder.File("itself.txt"));
        Directory.CreateSymbolicLink(folder.File("round"), folder.Path);
        var time = new ManualTime();
        await using var site = new SiteHost(folder.Path, time);
        Assert.Equal("before", (await site.GetAsync("/linked.txt")).Content);
        foreach (string none in new[] { "/dangling.txt", "/itself.txt", "/round/linked.txt" })
            Assert.Equal(HttpStatusCode.NotFound, (await site.GetAsync(none)).Status);
        elsewhere.Write("page", "after!");
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("after!", (await site.GetAsync("/linked.txt")).Content);
    }
}
