// The files that are served: the built-in pages, and a folder of one's own laid over them.
//
// All of it is read into memory, once, so that a request never waits for a disk and a path never meets a file
// system: it is looked up in a dictionary of what exists. A folder is looked at again every second, and read
// again when it has changed.

using System.Reflection;
using System.Text;

namespace Letterbox.Site;

/// <summary>Every file by its path, at one moment. Safe on any thread.</summary>
internal sealed class SiteFiles
{
    /// <summary>Most bytes a folder of one's own may hold: it is a site, not a store of downloads.</summary>
    public const long FolderBytesMax = 128L * 1024 * 1024;

    private sealed record Source(byte[] Content, DateTimeOffset Changed, bool Own);

    private const string Prefix = "pages/";
    private readonly Dictionary<string, Asset> _assets = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Asset>.AlternateLookup<ReadOnlySpan<char>> _byPath;

    private SiteFiles(Dictionary<string, Source> files)
    {
        Form = TakeTemplate(files, "/message.html");
        Thanks = TakeTemplate(files, "/thanks.html");
        Error = TakeTemplate(files, "/error.html");
        foreach ((string path, Source file) in files)
        {
            var asset = new Asset(file.Content, MediaTypes.Of(path), file.Changed, Policy(file.Own));
            _assets[path] = asset;
            if (path.EndsWith("/index.html", StringComparison.Ordinal))
                _assets[path[..^"index.html".Length]] = asset;
        }

        _byPath = _assets.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>The form.</summary>
    public (Template Page, (string, string) Policy) Form { get; }

    /// <summary>The thank-you page.</summary>
    public (Template Page, (string, string) Policy) Thanks { get; }

    /// <summary>The page for everything that goes wrong.</summary>
    public (Template Page, (string, string) Policy) Error { get; }

    /// <summary>The file at this path, if there is one.</summary>
    public Asset? Find(ReadOnlySpan<char> path) => _byPath.TryGetValue(path, out Asset? asset) ? asset : null;

    /// <summary>Compresses every file that gains by it.</summary>
    public void Pack()
    {
        foreach (Asset asset in _assets.Values) asset.Pack();
    }

    /// <summary>Reads the built-in pages, and <paramref name="folder"/> over them.</summary>
    /// <exception cref="IOException">A file cannot be read, or the folder is too large.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read.</exception>
    public static SiteFiles Load(string? folder)
    {
        var files = new Dictionary<string, Source>(StringComparer.Ordinal);
        Assembly program = typeof(SiteFiles).Assembly;
        // Compiled natively there is no assembly beside the executable, and the pages are in the executable.
        string assembly = Path.Combine(AppContext.BaseDirectory, "letterbox.dll");
        string builtIn = File.Exists(assembly) ? assembly : Environment.ProcessPath!;
        var built = new DateTimeOffset(File.GetLastWriteTimeUtc(builtIn));
        foreach (string name in program.GetManifestResourceNames())
        {
            if (!name.StartsWith(Prefix, StringComparison.Ordinal)) continue;
            using Stream stream = program.GetManifestResourceStream(name)!;
            byte[] content = new byte[stream.Length];
            stream.ReadExactly(content);
            files['/' + name[Prefix.Length..].Replace('\\', '/')] = new Source(content, built, Own: false);
        }

        long total = 0;
        foreach (SiteFile file in folder is null ? [] : SiteFolder.List(folder))
        {
            total += file.File.Length;
            if (total > FolderBytesMax)
            {
                string most = $"{FolderBytesMax >> 20} MiB, which is all that is kept in memory";
                throw new IOException($"the folder {folder} holds more than {most}");
            }

            var changed = new DateTimeOffset(file.File.LastWriteTimeUtc);
            files[file.UrlPath] = new Source(File.ReadAllBytes(file.File.FullName), changed, Own: true);
        }

        return new SiteFiles(files);
    }

    private static (Template, (string, string)) TakeTemplate(
        Dictionary<string, Source> files, string path)
    {
        files.Remove(path, out Source? file);
        return (new Template(Encoding.UTF8.GetString(file!.Content)), Policy(file.Own));
    }

    private static (string, string) Policy(bool own) =>
        own ? ResponseFields.OwnPolicy : ResponseFields.StrictPolicy;
}
