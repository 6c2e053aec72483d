// A page with placeholders: `{{name}}`.

using System.Text;

namespace Letterbox.Site;

/// <summary>A page, split at its placeholders once. Immutable.</summary>
internal sealed class Template
{
    private readonly List<(byte[] Text, string Name)> _parts = []; // the last has no name

    /// <summary>Braces that do not close are text.</summary>
    public Template(string page, (string, string) policy)
    {
        Policy = policy;
        int at = 0;
        while (true)
        {
            int open = page.IndexOf("{{", at, StringComparison.Ordinal);
            int close = open < 0 ? -1 : page.IndexOf("}}", open, StringComparison.Ordinal);
            if (close < 0) break;
            _parts.Add((Encoding.UTF8.GetBytes(page[at..open]), page[(open + 2)..close]));
            at = close + 2;
        }

        _parts.Add((Encoding.UTF8.GetBytes(page[at..]), ""));
    }

    // The page's Content-Security-Policy.
    public (string, string) Policy { get; }

    /// <summary>A placeholder without a value stays empty.</summary>
    public FilledTemplate Fill(params ReadOnlySpan<(string Name, string Value)> values)
    {
        var pieces = new (byte[] Bytes, bool IsValue)[2 * _parts.Count];
        for (int i = 0; i < _parts.Count; i++)
        {
            pieces[2 * i] = (_parts[i].Text, false);
            pieces[(2 * i) + 1] = (Encoding.UTF8.GetBytes(Value(values, _parts[i].Name)), true);
        }

        return new FilledTemplate(pieces);
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
