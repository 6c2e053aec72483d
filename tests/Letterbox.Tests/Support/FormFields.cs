// The fields of the form on a page, as a browser would send them.

using System.Net;
using System.Text.RegularExpressions;

namespace Letterbox.Tests.Support;

internal static class FormFields
{
    /// <summary>Every field and its value.</summary>
    public static Dictionary<string, string> Of(string page)
    {
        MatchCollection inputs =
            Regex.Matches(page, "<input [^>]*?name=\"([^\"]+)\"[^>]*?value=\"([^\"]*)\"");
        Dictionary<string, string> fields =
            inputs.ToDictionary(static m => m.Groups[1].Value, static m => Decode(m.Groups[2].Value));
        Match text = Regex.Match(page, "<textarea[^>]*>\n?(.*?)</textarea>", RegexOptions.Singleline);
        fields["message"] = Decode(text.Groups[1].Value);
        return fields;
    }

    private static string Decode(string html) => WebUtility.HtmlDecode(html)!;
}
