// The page files as they lie in the executable, without a browser: what the server fills in, what the content
// security policy forbids, what they refer to, and whether the colours can be read.

using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Letterbox.Messages;

namespace Letterbox.Tests.Browser;

public sealed partial class PageFileTests
{
    private static readonly string[] s_routes = ["/", "/message"];

    [Theory]
    [InlineData("index.html")]
    [InlineData(
        "message.html", "error", "id", "text-digest", "username", "message", "problem", "username-problem",
        "message-problem", "username-invalid", "message-invalid", "username-focus", "message-focus")]
    [InlineData("thanks.html", "receipt", "date", "datetime")]
    [InlineData("error.html", "status", "title", "detail")]
    public void A_page_has_its_placeholders_and_no_other(string page, params string[] names) => Assert.Equal(
        names.Order(),
        Placeholder.Matches(Read(page)).Select(static match => match.Groups[1].Value).Distinct().Order());

    [Theory]
    [InlineData("index.html")]
    [InlineData("message.html")]
    [InlineData("thanks.html")]
    [InlineData("error.html")]
    public void A_page_holds_nothing_that_the_content_security_policy_forbids(string page)
    {
        Assert.DoesNotMatch(Forbidden, Read(page));
        // The pattern itself must be able to find what it looks for.
        Assert.Matches(Forbidden, "<p style=\"color: red\">");
        Assert.Matches(Forbidden, "<script>alert()</script>");
        Assert.Matches(Forbidden, "<p\nonclick='x'>");
        Assert.Matches(Forbidden, "<img src=\"data:image/png;base64,\">");
        Assert.Matches(Forbidden, "<link href=\"//example.org/style.css\">");
    }

    [Theory]
    [InlineData("index.html")]
    [InlineData("message.html")]
    [InlineData("thanks.html")]
    [InlineData("error.html")]
    [InlineData("style.css")]
    public void Whatever_a_page_refers_to_is_served(string file)
    {
        string[] targets = [.. Reference.Matches(Read(file)).Select(static match => match.Groups[1].Value)];
        Assert.NotEmpty(targets);
        Assert.All(targets, static target => Assert.True(IsServed(target), $"{target} is not there"));
    }

    [Theory]
    [InlineData("index.html")]
    [InlineData("message.html")]
    [InlineData("thanks.html")]
    [InlineData("error.html")]
    public void A_page_says_its_language_its_title_and_what_it_is_and_leads_to_the_others(string page)
    {
        string html = Read(page);
        Assert.StartsWith("<!DOCTYPE html>", html, StringComparison.Ordinal);
        Assert.Contains("<html lang=\"en\">", html, StringComparison.Ordinal);
        Assert.Contains("<meta charset=\"utf-8\">", html, StringComparison.Ordinal);
        Assert.Contains(
            "<meta name=\"color-scheme\" content=\"light dark\">", html, StringComparison.Ordinal);
        Assert.Matches("<meta name=\"description\" content=\"[^\"]+\">", html);
        Assert.Matches("<title>[^<]+</title>", html);
        Assert.Single(Regex.Matches(html, "<h1>"));
        Assert.Single(Regex.Matches(html, "<main[ >]"));
        Assert.Matches("(?s)<nav.*href=\"/\".*href=\"/message\".*</nav>", html);
    }

    [Fact]
    public void The_form_posts_the_fields_of_a_message_and_states_its_limits()
    {
        string html = Read("message.html");
        Assert.Matches("<form [^>]*method=\"post\" action=\"/message\\?send\"", html);
        Assert.Equal(
            ["id", "message", "text-digest", "username"],
            FieldName.Matches(html).Select(static match => match.Groups[1].Value).Order());
        // It would cut what is pasted, and it counts UTF-16 units.
        Assert.DoesNotContain("maxlength=", html, StringComparison.Ordinal);
        Assert.Contains($"data-max=\"{Message.UsernameMax}\"", html, StringComparison.Ordinal);
        Assert.Contains($"data-max=\"{Message.TextMax}\"", html, StringComparison.Ordinal);
        foreach (string page in new[] { html, Read("index.html") })
        {
            Assert.Contains($"{Message.UsernameMax} characters", page, StringComparison.Ordinal);
            Assert.Contains(Message.TextMax.ToString("N0"), page, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_message_that_begins_with_an_empty_line_survives_the_form()
    {
        // HTML drops the first line break after <textarea>: the file has one to lose.
        Assert.Matches("<textarea[^>]*>\n\\{\\{message\\}\\}</textarea>", Read("message.html"));
    }

    [Fact]
    public void A_problem_that_is_empty_leaves_its_paragraph_empty()
    {
        string html = Read("message.html");
        Assert.Equal(3, Regex.Count(html, "class=\"problem\""));
        Assert.Equal(3, Regex.Count(html, "<p class=\"problem\"[^>]*>\\{\\{[a-z-]+\\}\\}</p>"));
    }

    [Theory]
    [InlineData("ink", "paper", 4.5)]
    [InlineData("ink", "sheet", 4.5)]
    [InlineData("faded", "paper", 4.5)]
    [InlineData("faded", "sheet", 4.5)]
    [InlineData("fault", "paper", 4.5)]
    [InlineData("fault", "sheet", 4.5)]
    [InlineData("plate-ink", "plate", 4.5)]
    // The edge of a field is no text: WCAG 2.2, 1.4.11.
    [InlineData("edge", "sheet", 3)]
    public void Colours_can_be_told_apart_in_light_and_in_dark(string on, string under, double least)
    {
        string css = Read("style.css");
        int dark = css.IndexOf("@media screen and (prefers-color-scheme: dark)", StringComparison.Ordinal);
        Assert.True(dark > 0, "there is no dark scheme");
        foreach (string scheme in new[] { css[..dark], css[dark..] })
        {
            double contrast = Contrast(Luminance(scheme, on), Luminance(scheme, under));
            Assert.True(contrast >= least, $"{on} on {under} is {contrast:F2}, {least} is the least");
        }
    }

    [Fact]
    public void Contrast_is_computed_as_WCAG_defines_it()
    {
        const string css = "--black: #000000; --white: #ffffff; --grey: #767676;";
        Assert.Equal(21, Contrast(Luminance(css, "black"), Luminance(css, "white")), 2);
        Assert.Equal(4.54, Contrast(Luminance(css, "white"), Luminance(css, "grey")), 2);
    }

    [Fact]
    public void The_logo_is_a_square_PNG_and_the_icon_holds_16_and_32_pixels()
    {
        // PNG: 8 bytes of signature, then the IHDR chunk with width and height at 16 and 20, big-endian.
        byte[] logo = ReadBytes("logo.png");
        Assert.Equal<byte>([0x89, .. "PNG\r\n\u001a\n"u8], logo[..8]);
        Assert.Equal(logo[16..20], logo[20..24]);
        Assert.InRange(logo.Length, 1, 20 * 1024);

        // ICO: reserved, type 1, number of images; then 16 bytes an image, from width to length and offset.
        byte[] icon = ReadBytes("favicon.ico");
        Assert.Equal<byte>([0, 0, 1, 0, 2, 0], icon[..6]);
        Assert.Equal<byte>([16, 32], [icon[6], icon[22]]);
        foreach (int entry in new[] { 6, 22 })
        {
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(icon.AsSpan(entry + 8));
            uint offset = BinaryPrimitives.ReadUInt32LittleEndian(icon.AsSpan(entry + 12));
            Assert.True(offset + length <= icon.Length, "an image reaches beyond the file");
            Assert.Equal(logo[..8], icon[(int)offset..(int)(offset + 8)]);
        }
    }

    [GeneratedRegex(@"\{\{([^}]*)\}\}")]
    private static partial Regex Placeholder { get; }

    [GeneratedRegex(
        """<style|<script(?! src="/[a-z]+\.js" defer></script>)|\sstyle\s*=|\son[a-z]+\s*="""
        + """|data:|javascript:|https?:|["'(]//""")]
    private static partial Regex Forbidden { get; }

    [GeneratedRegex("""(?:href="|src="|action="|url\(")([^"?]*)""")]
    private static partial Regex Reference { get; }

    [GeneratedRegex("""<(?:input|textarea|select|button)[^>]*\sname="([^"]*)""")]
    private static partial Regex FieldName { get; }

    private static bool IsServed(string target) =>
        s_routes.Contains(target)
        || typeof(Message).Assembly.GetManifestResourceInfo($"pages/{target.TrimStart('/')}") is not null;

    private static byte[] ReadBytes(string file)
    {
        using Stream? stream = typeof(Message).Assembly.GetManifestResourceStream($"pages/{file}");
        Assert.True(stream is not null, $"{file} is not in the executable");
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static string Read(string file) => Encoding.UTF8.GetString(ReadBytes(file));

    // Relative luminance and contrast ratio: WCAG 2.2, "Terms".
    private static double Luminance(string css, string property)
    {
        Match colour = Regex.Match(css, $"--{property}: #([0-9a-f]{{6}});");
        Assert.True(colour.Success, $"--{property} has no colour");
        int rgb = int.Parse(colour.Groups[1].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        return (0.2126 * Linear(rgb >> 16))
            + (0.7152 * Linear((rgb >> 8) & 0xFF))
            + (0.0722 * Linear(rgb & 0xFF));

        static double Linear(int channel)
        {
            double c = channel / 255.0;
            return c <= 0.04045 ? c / 12.92 : Math.Pow((c + 0.055) / 1.055, 2.4);
        }
    }

    private static double Contrast(double one, double other) =>
        (Math.Max(one, other) + 0.05) / (Math.Min(one, other) + 0.05);
}
