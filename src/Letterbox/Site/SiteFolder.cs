// A folder of pages of one's own, as it lies on the disk.

using System.IO.Enumeration;

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
    /// <summary>
    /// Every public file. A link that leads nowhere is none, and a link to a folder is not followed: it may
    /// lead round in a circle.
    /// </summary>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be read.</exception>
    public static IEnumerable<SiteFile> List(string folder) =>
        from file in Files(folder)
        let path = '/' + Path.GetRelativePath(folder, file.FullName).Replace(Path.DirectorySeparatorChar, '/')
        where path.Split('/').All(IsPublic)
        let target = file.LinkTarget is null ? file : Resolve(file)
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

    private static FileSystemEnumerable<FileInfo> Files(string folder)
    {
        var everything = new EnumerationOptions
        {
            RecurseSubdirectories = true,
            AttributesToSkip = FileAttributes.None,
        };
        return new FileSystemEnumerable<FileInfo>(
            folder, static (ref FileSystemEntry entry) => (FileInfo)entry.ToFileSystemInfo(), everything)
        {
            ShouldIncludePredicate = static (ref FileSystemEntry entry) => !entry.IsDirectory,
            ShouldRecursePredicate = static (ref FileSystemEntry entry) =>
                IsPublic(entry.FileName.ToString())
                && !entry.Attributes.HasFlag(FileAttributes.ReparsePoint),
        };
    }

    private static FileInfo? Resolve(FileInfo link)
    {
        try
        {
            return link.ResolveLinkTarget(returnFinalTarget: true) as FileInfo;
        }
        catch (IOException)
        {
            // Links that lead round in a circle.
            return null;
        }
    }

    // Names that begin with a dot (.git, .env) are nobody's business, but for the one that the web agreed on
    // (RFC 8615).
    private static bool IsPublic(string name) => !name.StartsWith('.') || name == ".well-known";
}
