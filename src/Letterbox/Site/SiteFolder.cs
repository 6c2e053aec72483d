// The folder of custom files on disk.

using System.IO.Enumeration;

namespace Letterbox.Site;

/// <param name="UrlPath">Such as <c>/sub/page.html</c>.</param>
internal readonly record struct SiteFile(string UrlPath, string Path, FileStatus Status)
{
    // No more than its size when it was listed, so that a file that grows, or never ends, cannot hold up the
    // rest; a change meanwhile is found by the next listing.
    public byte[] Read()
    {
        // Files of /proc have no size, and some of them block.
        if (Status.Size == 0) return [];
        byte[] content = new byte[Status.Size];
        using FileStream stream = File.OpenRead(Path);
        int length = stream.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
        return content[..length];
    }
}

internal static class SiteFolder
{
    // Every public file, those that are not regular included. Links to folders are not followed: they may
    // form a cycle. Throws IOException or UnauthorizedAccessException.
    public static SiteFile[] List(string folder)
    {
        var files = new List<SiteFile>();
        foreach (string path in Paths(folder))
        {
            string url = '/' + Path.GetRelativePath(folder, path).Replace(Path.DirectorySeparatorChar, '/');
            if (url.Split('/').All(IsPublic) && FileStatus.Of(path) is { } status)
                files.Add(new SiteFile(url, path, status));
        }

        files.Sort(static (a, b) => string.CompareOrdinal(a.UrlPath, b.UrlPath));
        return [.. files];
    }

    private static FileSystemEnumerable<string> Paths(string folder)
    {
        var everything = new EnumerationOptions
        {
            RecurseSubdirectories = true,
            AttributesToSkip = FileAttributes.None,
        };
        return new FileSystemEnumerable<string>(
            folder, static (ref FileSystemEntry entry) => entry.ToFullPath(), everything)
        {
            ShouldIncludePredicate = static (ref FileSystemEntry entry) => !entry.IsDirectory,
            ShouldRecursePredicate = static (ref FileSystemEntry entry) =>
                IsPublic(entry.FileName.ToString())
                && !entry.Attributes.HasFlag(FileAttributes.ReparsePoint),
        };
    }

    // Names that begin with a dot (.git, .env) are private, except the one that RFC 8615 defines.
    private static bool IsPublic(string name) => !name.StartsWith('.') || name == ".well-known";
}
