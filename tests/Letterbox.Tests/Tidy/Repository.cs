// The files of this repository, for the tests that read them.

namespace Letterbox.Tests.Tidy;

/// <summary>The repository whose build this is.</summary>
internal static class Repository
{
    // What tools leave behind, and what people keep beside their work; none of it is in the repository.
    private static readonly string[] s_notOurs =
        [".git", ".vs", ".idea", "bin", "obj", "TestResults", "artifacts", "data"];

    private static readonly string[] s_notText = [".png", ".ico", ".db", ".gif", ".jpg", ".woff2"];

    /// <summary>Its root folder.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Every text file, by its path from the root, with slashes.</summary>
    public static IReadOnlyList<string> TextFiles { get; } =
    [
        .. Walk(Root)
            .Where(path => !s_notText.Contains(Path.GetExtension(path)))
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>The C# files in a folder.</summary>
    public static IEnumerable<string> CSharp(string folder) =>
        TextFiles
            .Where(path => path.StartsWith(folder, StringComparison.Ordinal))
            .Where(path => path.EndsWith(".cs", StringComparison.Ordinal));

    /// <summary>The text of a file.</summary>
    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    /// <summary>The lines of a file.</summary>
    public static string[] Lines(string path) => File.ReadAllLines(Path.Combine(Root, path));

    /// <summary>There is such a file or folder.</summary>
    public static bool Has(string path) => Path.Exists(Path.Combine(Root, path));

    private static IEnumerable<string> Walk(string folder)
    {
        foreach (string file in Directory.EnumerateFiles(folder))
            if (!s_notOurs.Contains(Path.GetFileName(file))) yield return Path.GetRelativePath(Root, file);
        foreach (string inner in Directory.EnumerateDirectories(folder))
            if (!s_notOurs.Contains(Path.GetFileName(inner)))
                foreach (string file in Walk(inner)) yield return file;
    }

    private static string FindRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Letterbox.slnx")))
            folder = Path.GetDirectoryName(folder) ?? throw new DirectoryNotFoundException("Letterbox.slnx");
        return folder;
    }
}
