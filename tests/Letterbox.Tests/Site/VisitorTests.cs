// What visitors learn: the thank-you is true, and addresses, ports and causes concern the operator alone.

using System.Net;
using Letterbox.Messages;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Site;

public sealed class VisitorTests : IAsyncDisposable
{
    private const string Id = "65f0c0ffee0123456789abcd";
    private const string Secret = "127.0.0.1:5000 (SocketException): connection refused";
    private const string NotStored =
        "We could not store your message just now. Your text is below; press Send again in a moment.";

    private readonly ManualTime _time = new();
    private readonly SiteHost _site;

    public VisitorTests() => _site = new SiteHost(time: _time);

    public ValueTask DisposeAsync() => _site.DisposeAsync();

    [Fact]
    public async Task A_receipt_that_was_not_given_here_is_not_confirmed()
    {
        var (status, page) = await _site.GetAsync("/thanks?id=deadbeefdeadbeefdeadbeef");
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Contains("deadbeefdeadbeefdeadbeef", page, StringComparison.Ordinal);
        Assert.DoesNotContain("Thank you", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("is stored", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("is kept", page, StringComparison.OrdinalIgnoreCase);
        _site.Client.DefaultRequestHeaders.Add("Accept", "application/json");
        Assert.Equal(HttpStatusCode.NotFound, (await _site.GetAsync("/thanks?id=" + Id)).Status);
    }

    [Fact]
    public async Task A_receipt_that_was_given_here_is_confirmed_with_its_first_date()
    {
        DateTimeOffset stored = _time.GetLocalNow();
        for (int i = 0; i < 2; i++)
        {
            using var response = await _site.PostAsync($"id={Id}&username=a&message=b");
            Assert.Equal($"/thanks?id={Id}", response.Headers.Location!.ToString());
            _time.Advance(TimeSpan.FromHours(1));
        }

        var (status, page) = await _site.GetAsync("/thanks?id=" + Id);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Contains("Thank you. Your message is stored.", page, StringComparison.Ordinal);
        Assert.Contains($"datetime=\"{stored:yyyy-MM-ddTHH:mm:sszzz}\"", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rejected")]
    [InlineData("later")]
    public async Task A_message_that_was_not_stored_has_no_receipt(string receipt)
    {
        _site.Store = _ => receipt == "later" ? Receipt.Later(Secret) : Receipt.Rejected("no");
        using var response = await _site.PostAsync($"id={Id}&username=a&message=b");
        string page = (await _site.GetAsync("/thanks?id=" + Id)).Content;
        Assert.DoesNotContain("Thank you", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("application/json")]
    public async Task A_503_names_no_cause_and_says_that_nothing_is_stored(string? accept)
    {
        _site.Store = static _ => Receipt.Later(Secret);
        string page = await AnswerAsync(accept);
        Assert.Contains(NotStored, page, StringComparison.Ordinal);
        Assert.DoesNotContain("confirm", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("application/json")]
    public async Task A_503_says_so_where_the_answer_was_lost(string? accept)
    {
        _site.Store = static _ => Receipt.Unknown(Secret);
        string page = await AnswerAsync(accept);
        Assert.Contains("We could not confirm", page, StringComparison.Ordinal);
        Assert.DoesNotContain(NotStored, page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", HttpStatusCode.OK, "ready\n")]
    [InlineData(Secret, HttpStatusCode.ServiceUnavailable, "not ready\n")]
    public async Task Readiness_says_ready_or_not_and_nothing_more(
        string reason, HttpStatusCode status, string content)
    {
        _site.Readiness = new(reason.Length == 0 ? [] : [reason], ["3 messages are in quarantine"]);
        Assert.Equal((status, content), await _site.GetAsync("/readyz"));
        Assert.Equal(HttpStatusCode.OK, (await _site.GetAsync("/healthz")).Status);
    }

    private async Task<string> AnswerAsync(string? accept)
    {
        using var response = await _site.PostAsync($"id={Id}&username=a&message=b", accept: accept);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        string page = await response.Content.ReadAsStringAsync();
        foreach (string word in Secret.Split(' ', ':', '(', ')'))
            if (word.Length > 0) Assert.DoesNotContain(word, page, StringComparison.OrdinalIgnoreCase);
        return page;
    }
}
