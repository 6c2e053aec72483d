// What a person typed is what is stored, or the response says what is wrong: nothing is cut, no text is read
// in another encoding than it was sent in, and nothing that cannot be seen is a message.

using System.Net;
using System.Text;
using System.Text.Json;
using Letterbox.Messages;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Site;

public sealed class TypedTextTests : IAsyncDisposable
{
    private const string Form = "application/x-www-form-urlencoded";
    private const string Multipart = "multipart/form-data; boundary=b";
    private readonly SiteHost _site = new();

    public ValueTask DisposeAsync() => _site.DisposeAsync();

    [Fact]
    public async Task Emoji_are_as_many_characters_as_letters_and_nothing_is_cut()
    {
        string name = Repeat("📬", 64), text = Repeat("👩", 4000);
        using var response = await PostAsync(name, text);
        Assert.Equal(HttpStatusCode.SeeOther, response.StatusCode);
        Message message = Assert.Single(_site.Delivered);
        Assert.Equal((name, text), (message.Username, message.Text));
    }

    [Fact]
    public async Task Every_wrong_field_is_marked_at_once_and_says_by_how_much_it_is_too_long()
    {
        using var response = await PostAsync(Repeat("n", 66), Repeat("📬", 4001));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
        string page = await response.Content.ReadAsStringAsync();
        Assert.Contains(">Your name is 2 characters too long: it has 66,", page);
        Assert.Contains(">Your message is 1 character too long: it has 4001,", page);
        Assert.Equal(2, page.Split("aria-invalid=\"true\"").Length - 1);
        Assert.Single(page.Split("autofocus")[1..]);
        Assert.Matches("<textarea[^>]* autofocus", page);
        Assert.Contains("<title>Error: ", page, StringComparison.Ordinal);
        Assert.Contains($"{Repeat("📬", 4001)}</textarea>", page, StringComparison.Ordinal);
        Assert.Empty(_site.Delivered);
    }

    [Fact]
    public async Task A_program_is_told_every_error_too()
    {
        using var response = await _site.PostAsync("message=+", accept: "application/json");
        using JsonDocument problem = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal(
            ["username: username is missing", "message: message is blank"],
            problem.RootElement.GetProperty("errors").EnumerateArray().Select(static error =>
                $"{error.GetProperty("field")}: {error.GetProperty("detail")}"));
    }

    [Theory]
    [InlineData(" ")]
    [InlineData("\r\n\t\r\n")]
    [InlineData("\u3000\u00A0\u2003")]
    [InlineData("\u200B\u200D\uFEFF\u2060")]
    [InlineData("\u00AD\u034F\u061C\u202E\uFE0F")]
    [InlineData("\u115F\u3164\uFFA0\u2800\u17B4\u180E")]
    [InlineData("\0\u0007\u0085")]
    [InlineData("\U000E0020\U000E0100\U0001D173")]
    public async Task A_text_that_shows_nothing_is_no_message_and_no_name(string blank)
    {
        using var text = await PostAsync("krabaton", blank);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, text.StatusCode);
        string page = await text.Content.ReadAsStringAsync();
        Assert.Contains(">Your message is blank.<", page, StringComparison.Ordinal);
        using var name = await PostAsync(blank, "hello");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, name.StatusCode);
        using var json = await _site.PostAsync(
            JsonSerializer.Serialize(new { username = "a", message = blank }), "application/json");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, json.StatusCode);
        Assert.Empty(_site.Delivered);
    }

    [Theory]
    [InlineData(".")]
    [InlineData("\u3000x")]
    [InlineData("\u200B\u0301")]
    [InlineData("👁\uFE0F")]
    [InlineData("\u0600")]
    public async Task One_visible_character_is_enough(string text)
    {
        using var response = await PostAsync("krabaton", text);
        Assert.Equal(HttpStatusCode.SeeOther, response.StatusCode);
        Assert.Equal(text, Assert.Single(_site.Delivered).Text);
    }

    [Theory]
    [InlineData("application/x-www-form-urlencoded; charset=ISO-2022-JP", "username=a&message=%1B%24B%24O")]
    [InlineData("application/x-www-form-urlencoded;charset=\"windows-1251\"", "username=a&message=%CF")]
    [InlineData("application/x-www-form-urlencoded; Charset=UTF-16", "username=a&message=b")]
    [InlineData("application/json; charset=utf-16le", "{\"username\":\"a\",\"message\":\"b\"}")]
    [InlineData(Form, "_charset_=windows-1251&username=a&message=b")]
    [InlineData(Form, "username=a&message=%1B%24B%24O&_charset_=ISO-2022-JP")]
    public Task Another_charset_is_415(string mediaType, string content) =>
        AssertUnsupportedAsync(content, mediaType, "only text in UTF-8 is accepted");

    [Theory]
    [InlineData("Content-Type: text/plain; charset=windows-1251", "charset")]
    [InlineData("content-type:text/plain;\r\n charset=\"shift_jis\"", "charset")]
    [InlineData("Content-Transfer-Encoding: base64", "Content-Transfer-Encoding")]
    [InlineData("content-transfer-encoding:Quoted-Printable", "Content-Transfer-Encoding")]
    public Task A_part_in_another_charset_or_encoding_is_415(string line, string reason) =>
        AssertUnsupportedAsync(Parts($"{line}\r\n"), Multipart, reason);

    [Theory]
    [InlineData("Content-Type: text/plain; charset=\"UTF-8\"\r\nContent-Transfer-Encoding: 8bit\r\n")]
    [InlineData("Content-Transfer-Encoding: BINARY\r\nContent-Type: text/plain; charset=us-ascii\r\n")]
    [InlineData("content-type: text/plain\r\n")]
    public async Task A_part_may_say_that_it_is_utf_8(string lines) =>
        await AssertStoredAsync(Parts(lines), Multipart);

    [Theory]
    [InlineData("application/json", "\uFEFF{\"username\":\"a\",\"message\":\"b\"}")]
    [InlineData("application/json; charset=UTF-8", "\uFEFF {\"username\":\"a\",\"message\":\"b\"}")]
    [InlineData(Form, "\uFEFFusername=a&message=b")]
    [InlineData(Form + "; charset=utf8", "username=a&message=b&_charset_=UTF-8")]
    public Task A_byte_order_mark_and_the_name_of_utf_8_are_accepted(string mediaType, string content) =>
        AssertStoredAsync(content, mediaType);

    // RFC 2046 5.1.1: a preamble, white space behind the boundary, an epilogue.
    public static TheoryData<string> Framings =>
    [
        "\r\n" + Parts(""),
        "This is a multi-part message.\r\nIt has a preamble.\r\n" + Parts(""),
        Parts("").Replace("--b\r\n", "--b \t \r\n", StringComparison.Ordinal),
        Parts("").Replace("--b--", "--b-- \t\r\nan epilogue\r\n--b", StringComparison.Ordinal),
        Parts("").Replace("form-data; name", "form-data;\r\n\tname", StringComparison.Ordinal),
    ];

    [Theory, MemberData(nameof(Framings))]
    public Task Multipart_is_read_as_its_standard_frames_it(string content) =>
        AssertStoredAsync(content, Multipart);

    [Theory, MemberData(nameof(Framings))]
    public async Task Multipart_may_arrive_in_two_pieces_at_any_byte(string content)
    {
        byte[] request = Encoding.ASCII.GetBytes(
            $"POST /message HTTP/1.1\r\nHost: a\r\nContent-Type: {Multipart}\r\n"
            + $"Content-Length: {content.Length}\r\n\r\n{content}");
        using HttpPeer peer = await HttpPeer.ConnectAsync(_site.Client.BaseAddress!.Port);
        for (int cut = request.Length - content.Length; cut < request.Length; cut++)
        {
            Assert.True(await peer.SendAsync(request.AsMemory(0, cut)));
            Assert.True(await peer.SendAsync(request.AsMemory(cut)));
            Assert.Equal(303, (await peer.ReadAsync())!.Status);
        }

        Assert.All(_site.Delivered, static message => Assert.Equal("b", message.Text));
        Assert.Equal(content.Length, _site.Delivered.Count);
    }

    private static string Parts(string lines) => string.Concat(
        $"--b\r\n{lines}Content-Disposition: form-data; name=\"message\"\r\n\r\nb\r\n",
        $"--b\r\nContent-Disposition: form-data; name=\"username\"\r\n{lines}\r\na\r\n--b--\r\n");

    private static string Repeat(string text, int times) => string.Concat(Enumerable.Repeat(text, times));

    private Task<HttpResponseMessage> PostAsync(string name, string text) =>
        _site.PostAsync($"username={Uri.EscapeDataString(name)}&message={Uri.EscapeDataString(text)}");

    private async Task AssertUnsupportedAsync(string content, string mediaType, string reason)
    {
        using var response = await _site.PostAsync(content, mediaType);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, response.StatusCode);
        string page = await response.Content.ReadAsStringAsync();
        Assert.Contains(reason, page, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("multipart/form-data", Assert.Single(response.Headers.GetValues("Accept")));
        Assert.Single(response.Headers.GetValues("Accept-Post"));
        Assert.Empty(_site.Delivered);
    }

    private async Task AssertStoredAsync(string content, string mediaType)
    {
        using var response = await _site.PostAsync(content, mediaType);
        Assert.Equal(HttpStatusCode.SeeOther, response.StatusCode);
        Message message = Assert.Single(_site.Delivered);
        Assert.Equal(("a", "b"), (message.Username, message.Text));
    }
}
