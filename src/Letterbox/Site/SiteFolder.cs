// The folder of custom files on disk.

using System.IO.Enumeration;

namespace Letterbox.Site;

/// <param name="UrlPath">Such as <c>/sub/page.html</c>.</param>
/// <param name="File">The file, or the target of a link.</param>
internal readonly record struct SiteFile(string UrlPath, FileInfo File);

internal static class SiteFolder
{
    // Every public file. Dangling links are omitted, and links to folders are not followed: they may form a
    // cycle. Throws IOException or UnauthorizedAccessException.
    public static IEnumerable<SiteFile> List(string folder) =>
        from file in Files(folder)
        let path = '/' + Path.GetRelativePath(folder, file.FullName).Replace(Path.DirectorySeparatorChar, '/')
        where path.Split('/').All(IsPublic)
        let target = file.LinkTarget is null ? file : Resolve(file)
        where target is { Exists: true }
        select new SiteFile(path, target);

    // Changes when a file of the folder is added, removed or changed. Throws as List does.
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
            // A cycle of links.
            return null;
        }
    }

    // Names that begin with a dot (.git, .env) are private, except the one that RFC 8615 defines.
    private static bool IsPublic(string name) => !name.StartsWith('.') || name == ".well-known";
}
