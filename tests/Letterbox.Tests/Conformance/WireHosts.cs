// The two servers for the cases: the echo, and the site with a folder of known files.

using System.Text;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Conformance;

/// <summary>Both servers; values of the site's files can be looked up by name.</summary>
public sealed class WireHosts : IAsyncLifetime
{
    private readonly TempFolder _folder = new();
    private readonly Dictionary<string, string> _names = new(StringComparer.Ordinal);
    private SiteHost? _site;

    internal EchoHost Echo { get; } = new();

    public int SitePort => _site!.Client.BaseAddress!.Port;

    public string Named(string name) => _names[name];

    public async ValueTask InitializeAsync()
    {
        // 100 lines "The quick brown fox...": worth compressing, and every byte known.
        Write("fox.txt", string.Concat(
            Enumerable.Repeat("The quick brown fox jumps over the lazy dog.\n", 100)));
        Write("digits.bin", "0123456789");
        Write("empty.bin", "");
        Write("привет.txt", "привет\n");
        Write(".secret", "private\n");
        File.WriteAllText(
            Path.Combine(_folder.Path, "..", Path.GetFileName(_folder.Path) + ".outside"), "outside\n");
        _site = new SiteHost(_folder.Path);
        await _site.Compression;
        foreach (string coding in (string[])["identity", "gzip", "br"])
        {
            using HttpPeer peer = await HttpPeer.ConnectAsync(SitePort);
            await peer.SendAsync($"GET /fox.txt HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n");
            HttpAnswer fox = (await peer.ReadAsync())!;
            _names[$"tag {coding}"] = fox.Values("ETag").Single();
            _names[$"length {coding}"] = fox.Content.Length.ToString();
        }

        using HttpPeer other = await HttpPeer.ConnectAsync(SitePort);
        await other.SendAsync("GET /digits.bin HTTP/1.1\r\nHost: a\r\n\r\n");
        _names["tag digits"] = (await other.ReadAsync())!.Values("ETag").Single();
        _names["outside"] = Path.GetFileName(_folder.Path) + ".outside";
    }

    public async ValueTask DisposeAsync()
    {
        await Echo.DisposeAsync();
        if (_site is not null) await _site.DisposeAsync();
        File.Delete(_folder.Path + ".outside");
        _folder.Dispose();
    }

    private void Write(string name, string content)
    {
        string path = Path.Combine(_folder.Path, name);
        File.WriteAllBytes(path, Encoding.UTF8.GetBytes(content));
        File.SetLastWriteTimeUtc(path, new DateTime(2022, 10, 29, 20, 20, 58, DateTimeKind.Utc));
    }
}
