// A filled page, written in parts of any size.

using System.Text;
using Letterbox.Site;

namespace Letterbox.Tests.Site;

public sealed class TemplateTests
{
    private const string Filled =
        "<p title=\"&quot;&#39;&amp;&lt;&gt;Привіт &quot;\">&quot;&#39;&amp;&lt;&gt;Привіт &quot;</p>{{";

    private static readonly Template s_template =
        new("<p title=\"{{it}}\">{{it}}</p>{{other}}{{", ("a", "b"));

    [Theory]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(11)]
    [InlineData(4096)]
    public void Values_are_escaped_wherever_the_page_is_split(int size)
    {
        FilledTemplate page = s_template.Fill(("it", "\"'&<>Привіт \""), ("unknown", "x"));
        var written = new List<byte>();
        byte[] buffer = new byte[size];
        while (page.Write(buffer) is > 0 and var count) written.AddRange(buffer.AsSpan(0, count));
        Assert.Equal(Filled, Encoding.UTF8.GetString([.. written]));
        Assert.Equal(page.Length, written.Count);
    }

    [Fact]
    public void It_holds_its_values_unescaped()
    {
        FilledTemplate page = s_template.Fill(("it", new string('"', 1000)));
        Assert.Equal(2 * 1000, page.BytesHeld);
        Assert.True(page.Length > 2 * 6000);
    }
}
