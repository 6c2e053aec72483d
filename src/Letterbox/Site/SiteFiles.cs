// The files that are served: the built-in pages, and a folder of custom files that override them.
//
// Everything is read into memory once, so that a request never waits for a disk and a path never reaches the
// file system: it is a key of a dictionary. The folder is checked every second, and read again when it has
// changed (LetterboxSite).

using System.Reflection;
using System.Text;

namespace Letterbox.Site;

/// <summary>A snapshot of every file by its path. Thread-safe.</summary>
internal sealed class SiteFiles
{
    /// <summary>Most bytes of the folder: everything is kept in memory.</summary>
    public const long FolderBytesMax = 128L * 1024 * 1024;

    private sealed record Source(byte[] Content, DateTimeOffset Modified, (string, string) Policy);

    private const string Prefix = "pages/";
    private readonly Dictionary<string, Asset> _assets = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Asset>.AlternateLookup<ReadOnlySpan<char>> _byPath;

    private SiteFiles(Dictionary<string, Source> files, DateTimeOffset now)
    {
        Form = TakeTemplate(files, "/message.html");
        Thanks = TakeTemplate(files, "/thanks.html");
        Error = TakeTemplate(files, "/error.html");
        foreach ((string path, Source file) in files)
        {
            // Never later than the response (RFC 9110 8.8.2.1), whatever the clock was when it was written.
            DateTimeOffset modified = file.Modified < now ? file.Modified : now;
            var asset = new Asset(file.Content, MediaTypes.Of(path), modified, file.Policy);
            _assets[path] = asset;
            if (path.EndsWith("/index.html", StringComparison.Ordinal))
                _assets[path[..^"index.html".Length]] = asset;
        }

        _byPath = _assets.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public Template Form { get; }
    public Template Thanks { get; }
    public Template Error { get; }

    public Asset? Find(ReadOnlySpan<char> path) => _byPath.TryGetValue(path, out Asset? asset) ? asset : null;

    public void Compress()
    {
        foreach (Asset asset in _assets.Values) asset.Compress();
    }

    /// <summary>Reads the built-in pages, then the custom files, which override them.</summary>
    /// <exception cref="IOException">A file cannot be read, or the folder is too large.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read.</exception>
    public static SiteFiles Load(ReadOnlySpan<SiteFile> custom, DateTimeOffset now)
    {
        var files = new Dictionary<string, Source>(StringComparer.Ordinal);
        Assembly program = typeof(SiteFiles).Assembly;
        // Compiled natively, the pages are in the executable, and there is no assembly beside it.
        string assembly = Path.Combine(AppContext.BaseDirectory, "letterbox.dll");
        string builtIn = File.Exists(assembly) ? assembly : Environment.ProcessPath!;
        var built = new DateTimeOffset(File.GetLastWriteTimeUtc(builtIn));
        foreach (string name in program.GetManifestResourceNames())
        {
            if (!name.StartsWith(Prefix, StringComparison.Ordinal)) continue;
            using Stream stream = program.GetManifestResourceStream(name)!;
            byte[] content = new byte[stream.Length];
            stream.ReadExactly(content);
            string path = '/' + name[Prefix.Length..].Replace('\\', '/');
            files[path] = new Source(content, built, ResponseFields.StrictPolicy);
        }

        long total = 0;
        foreach (SiteFile file in custom)
        {
            if (!file.Status.IsRegular) continue;
            total += file.Status.Size;
            if (total > FolderBytesMax)
                throw new IOException($"the folder is larger than {FolderBytesMax >> 20} MiB, the limit");
            long modified = Math.Clamp(file.Status.Modified, 0, now.ToUnixTimeSeconds());
            files[file.UrlPath] = new Source(
                file.Read(), DateTimeOffset.FromUnixTimeSeconds(modified), ResponseFields.CustomPolicy);
        }

        return new SiteFiles(files, now);
    }

    private static Template TakeTemplate(Dictionary<string, Source> files, string path)
    {
        files.Remove(path, out Source? file);
        return new Template(Encoding.UTF8.GetString(file!.Content), file.Policy);
    }
}
