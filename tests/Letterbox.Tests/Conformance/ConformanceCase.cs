// Reads the cases from the Markdown files in this folder.
//
//   ### LINE-01 A line that ends in LF alone      an id, and what the case is about
//   RFC 9112 2.2, MAY be taken: not here          the section, its level, what this server does
//
//   ```                                           the bytes: a line ends in CRLF, unless with a backslash;
//   GET / HTTP/1.1\n\                             \r \n \t \0 \\ \xHH stand for bytes, \{3*ab} for ababab,
//   Host: a                                       \{tag br} for a value of the server
//                                                 <<< 100: here the client waits for this interim response
//   ```
//
//   - answer: 400 BareLineFeed, close             statuses in order (with the reason of a rejection), then
//                                                 keep or close; `none`: the server waits for more
//   - field: Allow: GET                           the last answer has this field line, or any of this name
//   - no field: Server                            it has none of this name
//   - content: abc                                this is its content; `none`: it has none
//   - content holds: abc                          its content contains this

using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Letterbox.Tests.Conformance;

/// <summary>One case.</summary>
/// <param name="Id">Its name in reports and in docs/HTTP.md.</param>
/// <param name="Place">File and line.</param>
/// <param name="Rule">The RFC section and its level.</param>
/// <param name="Parts">The bytes as text, a byte a character; between two parts the client waits for a
/// 100.</param>
/// <param name="Expected">The lines of the list, as (word, value).</param>
public sealed record ConformanceCase(
    string Id, string Place, string Rule, IReadOnlyList<string> Parts,
    IReadOnlyList<(string Word, string Value)> Expected)
{
    private static readonly Regex s_heading =
        new("^### (?<id>[A-Z]+-[0-9]{2}) .+$", RegexOptions.ExplicitCapture);
    private static readonly Regex s_rule =
        new(@"^RFC [0-9]+ [0-9]+(\.[0-9]+)*, (MUST|SHOULD|MAY)\b", RegexOptions.ExplicitCapture);

    /// <summary>The folder of the documents.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "Conformance");

    /// <summary>Every case of every document, by id.</summary>
    public static IReadOnlyDictionary<string, ConformanceCase> All { get; } =
        Directory.GetFiles(Folder, "*.md")
        .Order(StringComparer.Ordinal)
        .SelectMany(static file => Read(Path.GetFileName(file), File.ReadAllLines(file)))
        .ToDictionary(static c => c.Id, StringComparer.Ordinal);

    /// <summary>Runs against the site, not against the echo.</summary>
    public bool OnSite { get; private init; }

    /// <summary>
    /// The final answers that are expected, in order: status, and the reason if the engine rejects.
    /// </summary>
    public IReadOnlyList<(int Status, string Reason)> Answers { get; private init; } = [];

    /// <summary>The connection is closed after the last answer.</summary>
    public bool Closes { get; private init; }

    /// <summary>The bytes as they are sent, names in braces replaced.</summary>
    public byte[] Bytes(Func<string, string> named) =>
        Encoding.Latin1.GetBytes(string.Concat(Parts.Select(p => Unescape(p, named))));

    /// <summary>One part or value with its escapes resolved.</summary>
    public static string Unescape(string text, Func<string, string> named) =>
        Regex.Replace(Repeat(text), @"\\(?:x([0-9A-Fa-f]{2})|\{([^}]+)\}|(.))", m =>
        {
            if (m.Groups[1].Success)
                return ((char)int.Parse(m.Groups[1].ValueSpan, NumberStyles.HexNumber)).ToString();
            if (m.Groups[2].Success) return named(m.Groups[2].Value);
            return m.Groups[3].Value switch
            {
                "r" => "\r",
                "n" => "\n",
                "t" => "\t",
                "0" => "\0",
                "\\" => "\\",
                var other => throw new FormatException($"no such escape: \\{other}"),
            };
        });

    // Innermost first, so that a repetition may hold another.
    private static string Repeat(string text)
    {
        string repeated = Regex.Replace(text, @"\\\{([0-9]+)\*([^{}]+)\}", static m =>
            new StringBuilder().Insert(0, m.Groups[2].Value, int.Parse(m.Groups[1].ValueSpan)).ToString());
        return repeated == text ? text : Repeat(repeated);
    }

    private static List<ConformanceCase> Read(string file, string[] lines)
    {
        List<ConformanceCase> cases = [];
        bool onSite = lines.Contains("Played against the site.");
        for (int i = 0; i < lines.Length; i++)
        {
            if (!lines[i].StartsWith("###", StringComparison.Ordinal)) continue;
            string place = $"{file}:{i + 1}";
            Match heading = s_heading.Match(lines[i]);
            if (!heading.Success)
                throw new FormatException($"{place}: a case is headed by ### ID-01 and a title");
            string rule = lines[++i];
            if (!s_rule.IsMatch(rule))
                throw new FormatException($"{place}: RFC, section and MUST, SHOULD or MAY are missing");
            while (lines[i] != "```") i++;
            int end = Array.IndexOf(lines, "```", i + 1);
            IReadOnlyList<string> parts = ReadParts(lines[(i + 1)..end]);
            i = end;
            List<(string, string)> expected = [];
            while (i + 1 < lines.Length && !lines[i + 1].StartsWith('#'))
            {
                if (!lines[++i].StartsWith("- ", StringComparison.Ordinal)) continue;
                string[] pair = lines[i][2..].Split(": ", 2);
                expected.Add((pair[0], pair[1].Trim('`')));
            }

            cases.Add(
                Make(heading.Groups["id"].Value, place, rule, parts, expected) with { OnSite = onSite });
        }

        return cases;
    }

    private static ConformanceCase Make(
        string id, string place, string rule, IReadOnlyList<string> parts,
        List<(string Word, string Value)> expected)
    {
        string[] answer = expected is [("answer", var value), ..]
            ? value.Split(", ") : throw new FormatException($"{place}: the answer is missing");
        bool none = answer is ["none"];
        if (!none && answer[^1] is not ("keep" or "close"))
            throw new FormatException($"{place}: keep or close?");
        return new ConformanceCase(id, place, rule, parts, expected)
        {
            Answers = none ? []
                : [.. answer[..^1].Select(static a => (int.Parse(a.AsSpan(0, 3)), a[3..].Trim()))],
            Closes = answer[^1] == "close",
        };
    }

    private static List<string> ReadParts(string[] lines)
    {
        List<string> parts = [""];
        foreach (string line in lines)
        {
            if (line == "<<< 100") parts.Add("");
            else if ((line.Length - line.TrimEnd('\\').Length) % 2 == 1) parts[^1] += line[..^1];
            else parts[^1] += line + "\r\n";
        }

        return parts;
    }
}
