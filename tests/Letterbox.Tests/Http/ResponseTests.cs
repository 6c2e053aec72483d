// Responses and limits that cannot be constructed.

using Letterbox.Http;

namespace Letterbox.Tests.Http;

public sealed class ResponseTests
{
    [Theory]
    [InlineData("X", "a\r\nSet-Cookie: b=1")]
    [InlineData("X", "a\nb")]
    [InlineData("X", "a\0")]
    [InlineData("X Y", "a")]
    [InlineData("X:", "a")]
    [InlineData("", "a")]
    public void A_field_that_would_break_its_line_cannot_be_made(string name, string value) =>
        Assert.Throws<ArgumentException>(() => Response.Create(200, [(name, value)]));

    [Theory, InlineData(204), InlineData(304)]
    public void An_answer_without_content_cannot_have_any(int status)
    {
        Assert.Throws<ArgumentException>(() => Response.Create(status, [], new byte[1]));
        Response none = Response.Create(status, []);
        Assert.Equal(-1, none.Head.Span.IndexOf("Content-Length"u8));
    }

    [Fact]
    public void Every_rejection_has_a_status_with_a_reason_phrase()
    {
        foreach (Rejection reason in Enum.GetValues<Rejection>().Except([Rejection.None]))
        {
            (int status, string section, string text) = Rejections.Of(reason);
            Assert.NotEqual("", Response.Reason(status));
            Assert.StartsWith("RFC ", section, StringComparison.Ordinal);
            Assert.EndsWith(".", text, StringComparison.Ordinal);
        }
    }
}
