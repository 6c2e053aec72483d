// A page with places to fill in: `{{name}}`. Values are escaped for HTML, in text and in quoted attributes
// alike.

using System.Net;
using System.Text;

namespace Letterbox.Site;

/// <summary>A page, cut at its placeholders once. Immutable.</summary>
internal sealed class Template
{
    private readonly List<string> _texts = []; // text, name, text, name, ..., text

    /// <summary>Cuts the page; braces that do not close stand for themselves.</summary>
    public Template(string page)
    {
        int at = 0;
        while (true)
        {
            int open = page.IndexOf("{{", at, StringComparison.Ordinal);
            int close = open < 0 ? -1 : page.IndexOf("}}", open, StringComparison.Ordinal);
            if (close < 0) break;
            _texts.Add(page[at..open]);
            _texts.Add(page[(open + 2)..close]);
            at = close + 2;
        }

        _texts.Add(page[at..]);
    }

    /// <summary>The page with its places filled; a place that no value is named for stays empty.</summary>
    public byte[] Fill(params ReadOnlySpan<(string Name, string Value)> values)
    {
        var page = new StringBuilder(4096);
        for (int i = 0; i < _texts.Count; i++)
        {
            if (i % 2 == 0) page.Append(_texts[i]);
            else page.Append(WebUtility.HtmlEncode(Value(values, _texts[i])));
        }

        return Encoding.UTF8.GetBytes(page.ToString());
    }

    private static string Value(ReadOnlySpan<(string Name, string Value)> values, string name)
    {
        foreach ((string candidate, string value) in values)
        {
            if (candidate == name) return value;
        }

        return "";
    }
}
