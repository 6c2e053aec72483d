// Who may use whom: the folders are the stages of a message's journey, and a stage knows only what it is
// given.

using System.Text.RegularExpressions;

namespace Letterbox.Tests.Tidy;

public sealed class DependencyTests
{
    private const string Logging = "Microsoft.Extensions.Logging";

    // The base class library, under both of its names.
    private static readonly string[] s_everywhere = ["System", "Microsoft.Win32.SafeHandles"];

    // Nobody uses these but Program.cs and the processes, which stand in the root and may use everything.
    private static readonly string[] s_all =
        ["Messages", "Configuration", "Hosting", "Http", "Site", "Sockets", "Store", "Supervision"];

    /// <summary>The table of the design.</summary>
    public static TheoryData<string, string[], string[]> Table => new()
    {
        // folder, folders it may use, namespaces of packages it may use
        { "Messages", [], [] },
        { "Configuration", [], [Logging] },
        { "Hosting", ["Configuration"], [Logging, "Microsoft.Extensions.Options"] },
        { "Http", ["Hosting"], [] },
        { "Site", ["Http", "Messages"], [Logging] },
        { "Sockets", ["Messages", "Hosting", "Configuration"], [Logging] },
        { "Store/Journal", ["Messages", "Hosting"], [Logging, "SQLitePCL"] },
        { "Store/Delivery", ["Store/Journal", "Messages", "Hosting"], [Logging] },
        { "Store/Mongo", ["Store/Delivery", "Messages"], ["MongoDB"] },
        { "Commands", s_all, [Logging, "SQLitePCL"] },
        { "Supervision", ["Configuration", "Hosting"], [Logging] },
    };

    [Fact]
    public void The_table_knows_every_folder() => Assert.Equal(
        Table.Select(row => row.Data.Item1).Order(),
        Repository.CSharp("src/Letterbox/")
            .Select(path => Path.GetDirectoryName(path["src/Letterbox/".Length..])!)
            .Where(folder => folder.Length > 0)
            .Distinct()
            .Order());

    [Fact]
    public void The_root_holds_the_verbs_and_the_processes_and_nothing_else() => Assert.Equal(
        ["Program.cs", "StoreProcess.cs", "WebProcess.cs"],
        Repository.CSharp("src/Letterbox/")
            .Select(path => path["src/Letterbox/".Length..])
            .Where(path => !path.Contains('/', StringComparison.Ordinal))
            .Order());

    [Fact]
    public void Every_file_is_in_the_namespace_of_its_folder() => Assert.Empty(string.Join('\n',
        from path in Repository.CSharp("src/Letterbox/")
        let folder = Path.GetDirectoryName(path)!["src/".Length..].Replace('/', '.')
        where !Repository.Read(path).Contains($"\nnamespace {folder};\n", StringComparison.Ordinal)
        select $"{path}: expected {folder}"));

    [Theory]
    [MemberData(nameof(Table))]
    public void A_folder_uses_only_what_it_may(string folder, string[] folders, string[] packages)
    {
        string[] allowed = [folder, .. folders];
        string[] others =
        [
            .. Table.Select(row => row.Data.Item1).Append("Store")
                .Where(other => !allowed.Any(may => IsWithin(other, may) || IsWithin(may, other))),
        ];
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

    private static bool IsWithin(string folder, string outer) =>
        folder == outer || folder.StartsWith($"{outer}/", StringComparison.Ordinal);

    private static IEnumerable<string> ForbiddenFolders(string code, string[] folders) =>
        from folder in folders
        let name = folder.Replace('/', '.')
        where Regex.IsMatch(code, $@"Letterbox\.{name}\b|(?<![\w.]){name}\.[A-Z](?!oString)")
        select folder;

    private static IEnumerable<string> ForbiddenPackages(string code, string[] packages) =>
        from Match match in Regex.Matches(code, @"\busing (?:static )?(?:\w+ = )?([A-Z][\w.]*);")
        let name = match.Groups[1].Value
        where name != "Letterbox" && !name.StartsWith("Letterbox.", StringComparison.Ordinal)
            && !packages.Concat(s_everywhere).Any(allowed =>
            name == allowed || name.StartsWith($"{allowed}.", StringComparison.Ordinal))
        select name;
}
