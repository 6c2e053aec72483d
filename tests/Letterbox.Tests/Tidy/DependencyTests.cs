// Who may use whom: the folders are the stages of a message's journey, and a stage knows only what it is
// given.

using System.Text.RegularExpressions;

namespace Letterbox.Tests.Tidy;

public sealed class DependencyTests
{
    // The logging abstraction is how a stage says what went wrong; it counts as part of the root.
    private const string Logging = "Microsoft.Extensions.Logging";

    // The base class library, under both of its names, and our own.
    private static readonly string[] s_everywhere = ["System", "Microsoft.Win32.SafeHandles", "Letterbox"];

    /// <summary>The table of the design.</summary>
    public static TheoryData<string, string[], string[]> Table => new()
    {
        // folder, folders it may use, namespaces of packages it may use
        { "Http", [], [] },
        { "Site", ["Http"], [Logging] },
        { "Sockets", [], [Logging] },
        { "Store", [], [Logging, "Microsoft.Data.Sqlite", "SQLitePCL", "MongoDB"] },
        { "Supervision", [], [Logging] },
    };

    [Fact]
    public void The_table_knows_every_folder() => Assert.Equal(
        Table.Select(row => row.Data.Item1).Order(),
        Repository.CSharp("src/Letterbox/")
            .Select(path => path.Split('/'))
            .Where(parts => parts.Length > 3)
            .Select(parts => parts[2])
            .Distinct()
            .Order());

    [Theory]
    [MemberData(nameof(Table))]
    public void A_folder_uses_only_what_it_may(string folder, string[] folders, string[] packages)
    {
        string[] others = [.. Table.Select(row => row.Data.Item1).Except(folders.Append(folder))];
        string[] files = [.. Repository.CSharp($"src/Letterbox/{folder}/")];
        Assert.NotEmpty(files);
        IEnumerable<string> findings =
            from path in files
            let code = new CSharpText(Repository.Read(path)).Code
            from finding in ForbiddenFolders(code, others).Concat(ForbiddenPackages(code, packages))
            select $"{path} uses {finding}";
        string all = string.Join('\n', findings);
        Assert.True(all.Length == 0, all);
    }

    [Fact]
    public void The_http_engine_knows_nothing_of_messages()
    {
        const string declaration = @"^public .*?\b(?:class|struct|record|enum|interface) (?:struct )?(\w+)";
        string[] types =
        [
            .. from path in Repository.CSharp("src/Letterbox/")
               where path.Count(c => c == '/') == 2
               let code = new CSharpText(Repository.Read(path)).Code
               from Match match in Regex.Matches(code, declaration, RegexOptions.Multiline)
               select match.Groups[1].Value,
        ];
        Assert.Contains("Message", types);
        string any = string.Join('|', types);
        Assert.Empty(string.Join('\n',
            from path in Repository.CSharp("src/Letterbox/Http/")
            let code = new CSharpText(Repository.Read(path)).Code
            from Match use in Regex.Matches(code, $@"(?<![\w.])({any})(?!\w)")
            select $"{path} uses {use.Value}"));
    }

    [Fact]
    public void What_judges_a_store_does_not_read_it_with_the_products_code()
    {
        string[] judges =
            ["JournalRows", "Ledger", "MongoHost", "ScriptedMongoDocument", "ScriptedMongoFile"];
        Assert.Empty(string.Join('\n',
            from name in judges
            let path = $"tests/Letterbox.Tests/Support/{name}.cs"
            from finding in ForbiddenFolders(new CSharpText(Repository.Read(path)).Code, ["Store"])
            select $"{path} uses {finding}"));
    }

    [Theory]
    [InlineData("using Letterbox.Store;", "Store")]
    [InlineData("using static Letterbox.Store.Journal;", "Store")]
    [InlineData("var journal = new Store.Journal();", "Store")]
    [InlineData("global::Letterbox.Store.Journal.Journal j;", "Store")]
    [InlineData("namespace Letterbox.Site; settings.Store.Go(); int Storehouse;", null)]
    public void A_forbidden_folder_is_found(string code, string? found) =>
        Assert.Equal(found is null ? [] : [found], ForbiddenFolders(code, ["Store"]).Distinct());

    [Theory]
    [InlineData("using System.Net; using Letterbox.Http;", null)]
    [InlineData("using Microsoft.Data.Sqlite;", "Microsoft.Data.Sqlite")]
    [InlineData("using var socket = new Socket();", null)]
    [InlineData("using X = Microsoft.Data.Sqlite;", "Microsoft.Data.Sqlite")]
    [InlineData("using Microsoft.Extensions.Logging;", null)]
    public void A_forbidden_package_is_found(string code, string? found) =>
        Assert.Equal(found is null ? [] : [found], ForbiddenPackages(code, [Logging]));

    private static IEnumerable<string> ForbiddenFolders(string code, string[] folders) =>
        from folder in folders
        where Regex.IsMatch(code, $@"Letterbox\.{folder}\b|(?<![\w.]){folder}\.[A-Z]")
        select folder;

    private static IEnumerable<string> ForbiddenPackages(string code, string[] packages) =>
        from Match match in Regex.Matches(code, @"\busing (?:static )?(?:\w+ = )?([A-Z][\w.]*);")
        let name = match.Groups[1].Value
        where !packages.Concat(s_everywhere).Any(allowed =>
            name == allowed || name.StartsWith($"{allowed}.", StringComparison.Ordinal))
        select name;
}
