// docs/HTTP.md is correct: its cases exist, no case is missing, and its limits are the engine's.

using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Letterbox.Http;

namespace Letterbox.Tests.Conformance;

public sealed class HttpDocumentTests
{
    private static readonly string[] s_lines = File.ReadAllLines(Find("docs/HTTP.md"));

    [Fact]
    public void Every_claim_names_cases_and_every_case_is_named()
    {
        HashSet<string> named = new(StringComparer.Ordinal);
        foreach (string[] cells in Rows("cases"))
        {
            string[] ids = [.. cells[2].Split(", ").SelectMany(Expand)];
            Assert.True(ids.Length > 0, $"no case: {cells[1]}");
            named.UnionWith(ids);
        }

        Assert.Empty(named.Except(ConformanceCase.All.Keys));
        Assert.Empty(ConformanceCase.All.Keys.Except(named));
    }

    [Fact]
    public void Every_limit_is_in_the_table_with_its_value()
    {
        var limits = new HttpLimits();
        foreach (PropertyInfo limit in typeof(
            HttpLimits).GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            string value = limit.GetValue(limits) switch
            {
                int number => number.ToString("N0", CultureInfo.InvariantCulture),
                TimeSpan span => $"{span.TotalSeconds} s",
                var other => $"{other}",
            };
            string row = Assert.Single(
                s_lines, line => line.StartsWith($"| `{limit.Name}` |", StringComparison.Ordinal));
            Assert.Matches($"^{Regex.Escape(value)}( |$)", row.Split('|')[2].Trim());
        }
    }

    // The rows of the tables whose last column has this head.
    private static IEnumerable<string[]> Rows(string head)
    {
        bool within = false;
        foreach (string line in s_lines)
        {
            string[] cells = [.. line.Trim('|').Split('|').Select(static cell => cell.Trim())];
            if (cells[^1] == head) within = true;
            else if (!line.StartsWith('|')) within = false;
            else if (within && !cells[0].StartsWith('-')) yield return cells;
        }
    }

    // "LINE-02 to LINE-04" is three cases.
    private static IEnumerable<string> Expand(string ids)
    {
        string[] ends = ids.Split(" to ");
        string theme = ends[0][..^2];
        int first = int.Parse(ends[0].AsSpan(ends[0].Length - 2)), last =
            int.Parse(ends[^1].AsSpan(ends[^1].Length - 2));
        return Enumerable.Range(first, last - first + 1).Select(number => $"{theme}{number:D2}");
    }

    private static string Find(string path)
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Letterbox.slnx"))) folder = Path.GetDirectoryName(folder)!;
        return Path.Combine(folder, path);
    }
}
