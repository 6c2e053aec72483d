// Style that a machine can hold: sizes, purpose comments, words that must not stay, and documents that match
// the tree.

using System.Text.RegularExpressions;
using Letterbox.Configuration;

namespace Letterbox.Tests.Tidy;

public sealed class TidyTests
{
    private const int ColumnsMax = 110;
    private const int MethodLinesMax = 60;
    private const string Tour = "## The source, in the order a message travels";

    [Fact]
    public void Lines_are_short() => Nothing(
        from path in AllCSharp
        from line in Numbered(path)
        where line.Text.Length > ColumnsMax
        select $"{path}:{line.Number} has {line.Text.Length} columns, {ColumnsMax} is the most");

    [Fact]
    public void Methods_are_short() => Nothing(
        from path in AllCSharp
        from member in new CSharpText(Repository.Read(path)).Members()
        where member.Lines > MethodLinesMax
        select $"{path}:{member.Line} has {member.Lines} lines, {MethodLinesMax} is the most");

    [Fact]
    public void Every_file_says_what_it_is_for() => Nothing(
        from path in AllCSharp
        where !Regex.IsMatch(Repository.Lines(path)[0], "^// .{15}")
        select $"{path} does not begin with a comment on its purpose");

    [Fact]
    public void Nothing_is_left_for_later_or_folded_away() => Nothing(
        from path in Repository.TextFiles
        from line in Numbered(path)
        from word in new[] { "TO" + "DO", "FIX" + "ME", "HA" + "CK", "#" + "region" }
        where line.Text.Contains(word, StringComparison.Ordinal)
        select $"{path}:{line.Number} says {word}");

    [Fact]
    public void No_task_ends_unseen() => Nothing(
        from path in Repository.CSharp("src/")
        from line in Numbered(path)
        where Regex.IsMatch(line.Text, @"\b_ = \w*Async\(|async void")
        select $"{path}:{line.Number} waits for no end of its task: Background.Run");

    [Fact]
    public void No_warning_is_switched_off_where_it_occurs() => Nothing(
        from path in Repository.CSharp("src/")
        from line in Numbered(path)
        where line.Text.Contains("#pragma warning", StringComparison.Ordinal)
            || line.Text.Contains("SuppressMessage", StringComparison.Ordinal)
        select $"{path}:{line.Number}: .editorconfig is the place, with the reason");

    [Fact]
    public void No_file_is_a_drawer_for_odds_and_ends() => Nothing(
        from path in AllCSharp
        where Regex.IsMatch(Path.GetFileName(path), "Helper|Util|Manager|Common|Misc")
        select $"{path}: name the concept");

    [Fact]
    public void Nothing_depends_on_one_persons_machine() => Nothing(
        from path in Repository.TextFiles
        from line in Numbered(path)
        from place in new[] { "/wo" + "rk/", "/ho" + "me/", "api.nu" + "get.org", "deb.deb" + "ian.org" }
        where line.Text.Contains(place, StringComparison.Ordinal)
        select $"{path}:{line.Number} names {place}");

    [Fact]
    public void Settings_that_are_set_for_a_container_or_a_service_exist() => Nothing(
        from path in Repository.TextFiles
        where path is "Dockerfile" or "docs/OPERATIONS.md" || path.EndsWith(".yaml", StringComparison.Ordinal)
        from line in Numbered(path)
        from Match name in Regex.Matches(line.Text, "LETTERBOX_[A-Z_]+")
        where Setting.All.All(setting => setting.Variable != name.Value)
        select $"{path}:{line.Number}: {name.Value} is no setting, and would be passed over in silence");

    [Fact]
    public void Health_checks_of_containers_need_no_shell() => Nothing(
        from path in Repository.TextFiles
        where path.EndsWith(".yaml", StringComparison.Ordinal) || path == "Dockerfile"
        from line in Numbered(path)
        from Match command in Regex.Matches(line.Text, @"\bCMD(?:-SHELL)?\W+(?<program>\w+)")
        let program = command.Groups["program"].Value
        where program is not ("letterbox" or "mongosh")
        select $"{path}:{line.Number}: the image has no {program}");

    [Fact]
    public void Every_package_has_a_reason()
    {
        // Packages that stand together share the reason above them.
        const string withoutReason = @"(?<!-->|/>)\s*\n\s*(<PackageVersion [^\n]*)";
        string packages = Repository.Read("Directory.Packages.props");
        Assert.Contains("<PackageVersion ", packages, StringComparison.Ordinal);
        Nothing(
            from Match match in Regex.Matches(packages, withoutReason)
            select $"{match.Groups[1].Value} has no reason above it");
    }

    [Fact]
    public void The_tour_of_the_source_names_files_that_exist()
    {
        string readme = Repository.Read("README.md");
        int start = readme.IndexOf(Tour, StringComparison.Ordinal);
        Assert.True(start >= 0, $"README.md has no section \"{Tour}\"");
        int end = readme.IndexOf("\n## ", start + Tour.Length, StringComparison.Ordinal);
        string section = end < 0 ? readme[start..] : readme[start..end];
        MatchCollection names = Regex.Matches(section, @"[\w./-]+\.cs\b");
        string[] files = [.. names.Select(match => match.Value).Distinct()];
        Assert.True(files.Length >= 5, "the tour names hardly any file");
        Nothing(
            from file in files
            where !Repository.Has(file) && !Repository.Has($"src/Letterbox/{file}")
            select $"README.md leads to {file}");
    }

    [Fact]
    public void Links_between_documents_lead_somewhere() => Nothing(
        from path in Repository.TextFiles
        where path.EndsWith(".md", StringComparison.Ordinal)
        from Match link in Regex.Matches(Repository.Read(path), @"\]\((?<to>[^)\s#]+)(#[^)\s]*)?\)")
        let target = link.Groups["to"].Value
        where !Regex.IsMatch(target, "^[a-z]+:")
            && !Repository.Has(Path.Combine(Path.GetDirectoryName(path)!, target))
        select $"{path} links to {target}");

    private static IEnumerable<string> AllCSharp =>
        Repository.CSharp("src/").Concat(Repository.CSharp("tests/"));

    private static IEnumerable<(int Number, string Text)> Numbered(string path) =>
        Repository.Lines(path).Select((text, index) => (index + 1, text));

    private static void Nothing(IEnumerable<string> findings)
    {
        string all = string.Join('\n', findings);
        Assert.True(all.Length == 0, all);
    }
}
