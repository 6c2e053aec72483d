// A folder of pages of one's own, as it lies on the disk.

namespace Letterbox.Site;

/// <summary>
/// A file that is to be served. A link stands for the file it leads to, in content, length and date.
/// </summary>
/// <param name="UrlPath">Where it is served, such as <c>/sub/page.html</c>.</param>
/// <param name="File">The file itself.</param>
internal readonly record struct SiteFile(string UrlPath, FileInfo File);

/// <summary>Lists such a folder.</summary>
internal static class SiteFolder
{
    /// <summary>Every public file; a link that leads nowhere is none.</summary>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be read.</exception>
    public static IEnumerable<SiteFile> List(string folder) =>
        from file in new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories)
        let path = '/' + Path.GetRelativePath(folder, file.FullName).Replace(Path.DirectorySeparatorChar, '/')
        where path.Split('/').All(IsPublic)
        let target = file.LinkTarget is null ? file : file.ResolveLinkTarget(true) as FileInfo
        where target is { Exists: true }
        select new SiteFile(path, target);

    /// <summary>Changes when a file of the folder comes, goes or changes.</summary>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be read.</exception>
    public static int Fingerprint(string folder)
    {
        var hash = default(HashCode);
        foreach (SiteFile file in List(folder).OrderBy(static f => f.UrlPath, StringComparer.Ordinal))
        {
            hash.Add(file.UrlPath, StringComparer.Ordinal);
            hash.Add(file.File.Length);
            hash.Add(file.File.LastWriteTimeUtc);
        }

        return hash.ToHashCode();
    }

    // Names that begin with a dot (.git, .env) are nobody's business, but for the one that the web agreed on
    // (RFC 8615).
    private static bool IsPublic(string name) => !name.StartsWith('.') || name == ".well-known";
}
