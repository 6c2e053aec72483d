// POST /message: every encoding, every receipt, every error.

using System.Net;
using System.Text.Json;
using Letterbox.Messages;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Site;

public sealed class MessagePostTests : IAsyncDisposable
{
    private const string Id = "65f0c0ffee0123456789abcd";
    private const string Json = "application/json";
    private readonly SiteHost _site = new();

    public ValueTask DisposeAsync() => _site.DisposeAsync();

    public static TheoryData<string> Texts =>
    [
        "First message", "a&b=c+d%20e", "100% \"quoted\" 'single' <b>", "line\r\nbreak\nand\rmore",
        "Привіт, світе", "📬\u0000end", "--boundary",
        string.Concat(Enumerable.Repeat("𐍈", 4000)), string.Concat(Enumerable.Repeat("\r\n", 3999)) + "x",
    ];

    [Theory, MemberData(nameof(Texts))]
    public async Task A_urlencoded_form_arrives_as_typed(string text)
    {
        string typed = Uri.EscapeDataString(text);
        using var response = await _site.PostAsync($"id={Id}&username=krabaton&message={typed}");
        AssertStored(response, text);
    }

    [Theory, MemberData(nameof(Texts))]
    public async Task A_multipart_form_arrives_as_typed(string text)
    {
        string body = string.Concat(
            Part("id", Id), Part("username", "krabaton"), Part("message", text), Part("button", "x"),
            "--boundary!--\r\n");
        const string type = "multipart/form-data; charset=utf-8; boundary=\"boundary!\"";
        using var response = await _site.PostAsync(body, type);
        AssertStored(response, text);
    }

    [Theory, MemberData(nameof(Texts))]
    public async Task Json_arrives_as_typed(string text)
    {
        string body = JsonSerializer.Serialize(
            new { message = text, username = "krabaton", id = Id, extra = new[] { 1 } });
        using var response = await _site.PostAsync(body, "application/json; charset=utf-8");
        AssertStored(response, text);
    }

    [Fact]
    public async Task A_form_without_a_media_type_or_a_key_is_taken_and_given_a_key()
    {
        using var response = await _site.PostAsync("username=a&message=b", mediaType: null);
        Assert.Equal(HttpStatusCode.SeeOther, response.StatusCode);
        Message message = Assert.Single(_site.Delivered);
        Assert.Equal($"/receipt/{message.Id}", response.Headers.Location!.ToString());
    }

    [Fact]
    public async Task Message_html_takes_posts_too()
    {
        using var form = new FormUrlEncodedContent([new("username", "a"), new("message", "b")]);
        using var response = await _site.Client.PostAsync("/message.html", form);
        Assert.Equal(HttpStatusCode.SeeOther, response.StatusCode);
    }

    [Theory]
    [InlineData("message=b", "name", "username is missing")]
    [InlineData("username=&message=b", "name", "username is empty")]
    [InlineData("username=a", "message", "message is missing")]
    [InlineData("username=a&message=b&message=c", "message", "message is given twice")]
    [InlineData("username=a&message=%FF", "message", "message is not valid UTF-8")]
    [InlineData("username=a&message=b&id=xyz", null, "id is not 24 hex digits")]
    [InlineData("", "name", "username is missing")]
    public async Task The_response_names_what_is_wrong_with_a_form(
        string form, string? label, string reason)
    {
        using var page = await _site.PostAsync(form);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, page.StatusCode);
        // On the page a field has the name of its label.
        string shown = label is null ? reason : $"Your {label}{reason[reason.IndexOf(' ')..]}";
        Assert.Contains(shown, await page.Content.ReadAsStringAsync(), StringComparison.OrdinalIgnoreCase);
        using var problem = await _site.PostAsync(form, accept: Json);
        Assert.Equal("application/problem+json", problem.Content.Headers.ContentType!.MediaType);
        Assert.Contains(reason, await problem.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Empty(_site.Delivered);
    }

    [Fact]
    public async Task A_name_or_message_that_is_too_long_comes_back_filled_in_with_the_reason_at_its_field()
    {
        string name = new('n', 65);
        using var response = await _site.PostAsync($"id={Id}&username={name}&message=%3Cscript%3E%22");
        string page = await response.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
        Assert.Contains(
            "id=\"username-problem\">Your name is 1 character too long: it has 65, 64 is the maximum.<", page,
            StringComparison.Ordinal);
        Assert.Matches("id=\"message-problem\"></p>", page);
        Assert.Contains($"value=\"{name}\"", page, StringComparison.Ordinal);
        Assert.Contains("&lt;script&gt;&quot;</textarea>", page, StringComparison.Ordinal);
        // The rejected key is not used again: the next submission cannot collide with it.
        Assert.DoesNotContain(Id, page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rejection_by_the_store_is_a_422_under_a_fresh_key()
    {
        _site.Store = static _ => Receipt.Rejected("the message cannot be stored");
        using var response = await _site.PostAsync($"id={Id}&username=a&message=b");
        string page = await response.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
        Assert.Contains("cannot be stored", page, StringComparison.Ordinal);
        Assert.DoesNotContain(Id, page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_that_cannot_answer_now_is_a_503_with_the_form_filled_in_under_the_same_key()
    {
        _site.Store = static _ => Receipt.Later("the socket server cannot be reached");
        using var response = await _site.PostAsync($"id={Id}&username=a%26b&message=line%0D%0Atwo");
        string page = await response.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.NotNull(response.Headers.RetryAfter);
        Assert.Contains($"value=\"{Id}\"", page, StringComparison.Ordinal);
        Assert.Contains("value=\"a&amp;b\"", page, StringComparison.Ordinal);
        Assert.Contains("line\r\ntwo</textarea>", page, StringComparison.Ordinal);
        using var problem = await _site.PostAsync($"id={Id}&username=a&message=b", accept: Json);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, problem.StatusCode);
        Assert.NotNull(problem.Headers.RetryAfter);
        string json = await problem.Content.ReadAsStringAsync();
        Assert.Contains($"\"id\":\"{Id}\"", json, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_asked_for_json_gets_its_receipt_as_json()
    {
        const string body = $"{{\"username\":\"a\",\"message\":\"b\",\"id\":\"{Id}\"}}";
        using var response = await _site.PostAsync(body, Json, accept: Json);
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        Assert.Equal($"/receipt/{Id}", response.Headers.Location!.ToString());
        string receipt = await response.Content.ReadAsStringAsync();
        Assert.Matches($"^{{\"id\":\"{Id}\",\"date\":\"[0-9]{{4}}-[-0-9 :.]{{21}}\"}}$", receipt);
        _site.Client.DefaultRequestHeaders.Add("Accept", Json);
        Assert.Equal((HttpStatusCode.OK, receipt), await _site.GetAsync($"/receipt/{Id}"));
    }

    [Theory]
    [InlineData("text/plain", "username=a&message=b", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/json", "{\"username\":\"a\",\"message\":", HttpStatusCode.UnprocessableEntity)]
    [InlineData(
        "application/json", "{\"username\":\"a\",\"message\":\"\\ud800\"}",
        HttpStatusCode.UnprocessableEntity)]
    [InlineData("application/json", "{\"username\":\"a\",\"message\":5}", HttpStatusCode.UnprocessableEntity)]
    [InlineData("application/json", "[]", HttpStatusCode.UnprocessableEntity)]
    [InlineData("application/json", "", HttpStatusCode.UnprocessableEntity)]
    [InlineData("multipart/form-data", "--x\r\n", HttpStatusCode.UnprocessableEntity)]
    [InlineData("multipart/form-data; boundary=x", "--x\r\n--x--\r\n", HttpStatusCode.UnprocessableEntity)]
    [InlineData("multipart/form-data; boundary=x", "--x", HttpStatusCode.UnprocessableEntity)]
    [InlineData(
        "multipart/form-data; boundary=x", "--x\r\nfoo\r\n\r\nbar", HttpStatusCode.UnprocessableEntity)]
    [InlineData(
        "multipart/form-data; boundary=x",
        "--x\r\nContent-Disposition: form-data; name=\"message\"; filename=\"a\"\r\n\r\nb\r\n--x--",
        HttpStatusCode.UnprocessableEntity)]
    public async Task Invalid_content_is_rejected_and_not_stored(
        string mediaType, string content, HttpStatusCode status)
    {
        using var response = await _site.PostAsync(content, mediaType);
        Assert.Equal(status, response.StatusCode);
        Assert.Empty(_site.Delivered);
    }

    [Theory]
    [InlineData("message", "; filename=\"a\"", "b")]
    [InlineData("message", "; filename=\"\"", "b")]
    [InlineData("photo", "; filename=\"\"", "b")]
    [InlineData("message", "; filename*=UTF-8''a", "b")]
    [InlineData("photo", "; FileName*=UTF-8''a", "")]
    public async Task A_file_is_rejected_whatever_its_name(string name, string parameter, string content)
    {
        string part = Part(name, content).Replace($"\"{name}\"", $"\"{name}\"{parameter}");
        using var response = await PostPartsAsync(Part("username", "krabaton"), part, Part("message", "b"));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
        string page = await response.Content.ReadAsStringAsync();
        Assert.Contains("files are not accepted", page, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(_site.Delivered);
    }

    [Theory]
    [InlineData("message")]
    [InlineData("photo")]
    public async Task A_file_that_was_not_chosen_is_ignored(string name)
    {
        string part = Part(name, "").Replace($"\"{name}\"", $"\"{name}\"; filename=\"\"");
        using var response = await PostPartsAsync(
            Part("id", Id), part, Part("username", "krabaton"), Part("message", "b"));
        AssertStored(response, "b");
    }

    [Theory]
    [InlineData("; flag; name=")]
    [InlineData("; flag;name=")]
    [InlineData(";; name=")]
    [InlineData("; filename; name=")]
    [InlineData("; file=\"a;name=b\"; name=")]
    public async Task Other_parameters_before_the_name_do_not_hide_it(string before)
    {
        string[] parts = [Part("id", Id), Part("username", "krabaton"), Part("message", "b")];
        using var response = await PostPartsAsync(
            [.. parts.Select(part => part.Replace("; name=", before, StringComparison.Ordinal))]);
        AssertStored(response, "b");
    }

    [Fact]
    public async Task The_form_has_a_fresh_key_each_time_and_is_revalidated()
    {
        using var first = await _site.Client.GetAsync("/message");
        using var second = await _site.Client.GetAsync("/message.html");
        string firstKey = Key(await first.Content.ReadAsStringAsync());
        string secondKey = Key(await second.Content.ReadAsStringAsync());
        Assert.NotEqual(firstKey, secondKey);
        Assert.True(first.Headers.CacheControl is { NoCache: true, Private: true });
    }

    private static string Key(string page) => FormFields.Of(page)["id"];

    private Task<HttpResponseMessage> PostPartsAsync(params string[] parts) =>
        _site.PostAsync(
            $"{string.Concat(parts)}--boundary!--\r\n", "multipart/form-data; boundary=\"boundary!\"");

    private static string Part(string name, string value) =>
        $"--boundary!\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n";

    private void AssertStored(HttpResponseMessage response, string text)
    {
        Assert.Equal(HttpStatusCode.SeeOther, response.StatusCode);
        Assert.Equal($"/receipt/{Id}", response.Headers.Location!.ToString());
        Message message = Assert.Single(_site.Delivered);
        Assert.Equal((Id, "krabaton", text), (message.Id.ToString(), message.Username, message.Text));
    }
}
