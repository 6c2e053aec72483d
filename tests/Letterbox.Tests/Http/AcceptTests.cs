// What a client accepts: weights, specificity, case, lists over several lines.

using System.Text;
using Letterbox.Http;

namespace Letterbox.Tests.Http;

public sealed class AcceptTests
{
    [Theory]
    [InlineData("", false)]
    [InlineData("*/*", false)]
    [InlineData("application/json", true)]
    [InlineData("APPLICATION/JSON", true)]
    [InlineData("application/json;q=0", false)]
    [InlineData("application/json;q=0, */*", false)]
    [InlineData("application/json ; Q=0.000", false)]
    [InlineData("application/jsonx", false)]
    [InlineData("xapplication/json", false)]
    [InlineData("text/plain;a=\"application/json\"", false)]
    [InlineData("text/plain;a=\", application/json, \"", false)]
    [InlineData("text/plain;a=\"\\\", application/json\"", false)]
    [InlineData("application/json; charset=utf-8", true)]
    [InlineData("application/json;a=\"b;q=0\"", true)]
    [InlineData("application/*", true)]
    [InlineData("APPLICATION/*;q=0.1", true)]
    [InlineData("application*", false)]
    [InlineData("text/*, application/*", false)]
    // Of two accepted equally the page, unless only JSON is named.
    [InlineData("application/json, text/html", false)]
    [InlineData("application/json, text/plain, */*", true)]
    [InlineData("application/json, text/*", true)]
    [InlineData("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", false)]
    // Weights.
    [InlineData("application/json, text/html;q=0.9", true)]
    [InlineData("application/json;q=0.9, text/html", false)]
    [InlineData("text/html;q=0.001, application/json;q=0.002", true)]
    [InlineData("text/html;q=0, */*", true)]
    [InlineData("application/json;q=0.5, */*;q=0.4", true)]
    [InlineData("application/json;q=0.4, */*;q=0.5", false)]
    [InlineData("application/json;q=1.000", true)]
    // The most specific range decides, in any order.
    [InlineData("*/*;q=1, application/*;q=0.5, application/json;q=0.1, text/html;q=0.2", false)]
    [InlineData("application/json;v=1;q=0.1, application/json;q=0.9, text/html;q=0.5", true)]
    [InlineData("text/html;level=1, text/html;q=0.4, application/json;q=0.7", true)]
    // A malformed weight is "not acceptable".
    [InlineData("application/json;q=", false)]
    [InlineData("application/json;q=2", false)]
    [InlineData("application/json;q=1.001", false)]
    [InlineData("application/json;q=0.1234", false)]
    [InlineData("application/json;q=.5", false)]
    [InlineData("application/json;q=0,5", false)]
    [InlineData("application/json;q=-1", false)]
    // Several lines are one list (RFC 9110 5.3); elements may be empty.
    [InlineData("text/plain\r\nAccept: application/json", true)]
    [InlineData("application/json\r\nAccept: text/html", false)]
    [InlineData(", ,application/json,", true)]
    [InlineData(";q=1, application/json", true)]
    public void Json_is_preferred_to_html(string accept, bool preferred) => Assert.Equal(
        preferred,
        Accept.Prefers(Read($"Accept: {accept}\r\n"), "application/json"u8, "text/html"u8));

    [Fact]
    public void Without_the_field_there_is_no_preference() =>
        Assert.False(Accept.Prefers(Read(""), "application/json"u8, "text/html"u8));

    [Theory]
    [InlineData("", nameof(ContentCoding.Identity))]
    [InlineData("gzip", nameof(ContentCoding.Gzip))]
    [InlineData("X-GZIP ; Q=0.5", nameof(ContentCoding.Gzip))]
    [InlineData("gzip, br", nameof(ContentCoding.Brotli))]
    [InlineData("gzip, br;q=0.9", nameof(ContentCoding.Gzip))]
    [InlineData("gzip, br;q = 0.9", nameof(ContentCoding.Gzip))]
    [InlineData("*", nameof(ContentCoding.Brotli))]
    [InlineData("*;q=0.5, br;q=0", nameof(ContentCoding.Gzip))]
    [InlineData("brx, xbr, gzipp", nameof(ContentCoding.Identity))]
    [InlineData("identity, gzip;q=0.5", nameof(ContentCoding.Identity))]
    [InlineData("identity;q=0, *;q=0", nameof(ContentCoding.Identity))]
    [InlineData("gzip;q=0.0001", nameof(ContentCoding.Identity))]
    public void The_coding_is(string accept, string coding) => Assert.Equal(
        coding,
        AcceptEncoding.Choose(Read($"Accept-Encoding: {accept}\r\n"), hasGzip: true, hasBrotli: true)
            .ToString());

    private static Request Read(string lines)
    {
        byte[] bytes = Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        var reader = new RequestReader(new HttpLimits());
        int end = bytes.Length;
        Assert.Equal(ReadStatus.Complete, reader.Read(bytes, 0, ref end));
        return reader.Request;
    }
}
