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

    [Theory]
    [InlineData("/receipt/deadbeefdeadbeefdeadbeef", "Unknown", HttpStatusCode.NotFound)]
    [InlineData("/thanks?id=deadbeefdeadbeefdeadbeef", "Unknown", HttpStatusCode.NotFound)]
    [InlineData(
        "/receipt/deadbeefdeadbeefdeadbeef", "Unavailable", HttpStatusCode.ServiceUnavailable)]
    public async Task A_receipt_of_no_message_is_not_confirmed(
        string path, string state, HttpStatusCode expected)
    {
        _site.Find = _ => new FoundReceipt(Enum.Parse<ReceiptState>(state));
        var (status, page) = await _site.GetAsync(path);
        Assert.Equal(expected, status);
        Assert.DoesNotContain("Thank you", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("is stored", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("is kept", page, StringComparison.OrdinalIgnoreCase);
        _site.Client.DefaultRequestHeaders.Add("Accept", "application/json");
        Assert.Equal(expected, (await _site.GetAsync(path)).Status);
    }

    [Fact]
    public async Task A_receipt_that_a_store_confirms_has_its_date()
    {
        const string date = "2022-10-29 20:20:58.020261";
        MessageKey? asked = null;
        _site.Find = id =>
        {
            asked = id;
            return new FoundReceipt(ReceiptState.Stored, date);
        };
        var (status, page) = await _site.GetAsync("/receipt/" + Id);
        Assert.Equal((HttpStatusCode.OK, Id), (status, asked.ToString()));
        Assert.Contains("Thank you. Your message is stored.", page, StringComparison.Ordinal);
        Assert.Contains("2022-10-29T20:20:58\">29 October 2022, 20:20<", page, StringComparison.Ordinal);
        _site.Client.DefaultRequestHeaders.Add("Accept", "application/json");
        string json = (await _site.GetAsync("/receipt/" + Id)).Content;
        Assert.Equal($"{{\"id\":\"{Id}\",\"date\":\"{date}\"}}", json);
    }

    [Fact]
    public async Task The_receipt_of_a_message_that_was_just_stored_asks_no_store_and_keeps_its_first_date()
    {
        _site.Find = static _ => throw new InvalidOperationException();
        DateTimeOffset stored = _time.GetLocalNow();
        for (int i = 0; i < 2; i++)
        {
            using var response = await _site.PostAsync($"id={Id}&username=a&message=b");
            Assert.Equal($"/receipt/{Id}", response.Headers.Location!.ToString());
            _time.Advance(TimeSpan.FromHours(1));
        }

        var (status, page) = await _site.GetAsync("/receipt/" + Id);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Contains("Thank you. Your message is stored.", page, StringComparison.Ordinal);
        Assert.Contains($"datetime=\"{stored:s}\"", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rejected")]
    [InlineData("later")]
    public async Task A_message_that_was_not_stored_has_no_receipt(string receipt)
    {
        _site.Store = _ => receipt == "later" ? Receipt.Later(Secret) : Receipt.Rejected("no");
        using var response = await _site.PostAsync($"id={Id}&username=a&message=b");
        Assert.Equal(HttpStatusCode.NotFound, (await _site.GetAsync("/receipt/" + Id)).Status);
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
