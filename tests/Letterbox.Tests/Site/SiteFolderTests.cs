// The folder of custom files: what is in it, what only looks like a file, and what has changed.

using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Site;

public sealed class SiteFolderTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly ManualTime _time = new();
    private readonly RecordingLog _log = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("fifo")]
    [InlineData("socket")]
    [InlineData("/dev/zero")]
    [InlineData("/dev/tty")]
    [InlineData("link to a fifo")]
    public async Task What_is_not_a_regular_file_is_logged_once_and_not_served(string kind)
    {
        _folder.Write("index.html", "served");
        string path = _folder.File("strange.txt");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        if (kind == "socket") socket.Bind(new UnixDomainSocketEndPoint(path));
        else if (kind == "fifo") await MakeFifoAsync(path);
        else if (kind.StartsWith('/')) File.CreateSymbolicLink(path, kind);
        else
        {
            await MakeFifoAsync(_folder.File(".hidden"));
            File.CreateSymbolicLink(path, _folder.File(".hidden"));
        }

        await using var site = new SiteHost(_folder.Path, _time, _log);
        Assert.Equal("served", (await site.GetAsync("/")).Content);
        Assert.Equal(HttpStatusCode.NotFound, (await site.GetAsync("/strange.txt")).Status);
        for (int i = 0; i < 2; i++)
        {
            _folder.Write("index.html", $"served {i}");
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal($"served {i}", (await site.GetAsync("/")).Content);
        }

        Assert.Single(_log.Lines, line => line == $"Warning: {path} is not a regular file and is not served");
    }

    [Fact]
    public async Task A_modification_time_in_the_future_becomes_that_of_the_response()
    {
        _folder.Write("page.txt", "text");
        File.SetLastWriteTimeUtc(_folder.File("page.txt"), _time.GetUtcNow().UtcDateTime.AddYears(3));
        await using var site = new SiteHost(_folder.Path, _time);
        using var response = await site.Client.GetAsync("/page.txt");
        Assert.True(response.Content.Headers.LastModified <= response.Headers.Date);
        using var builtIn = await site.Client.GetAsync("/style.css");
        Assert.True(builtIn.Content.Headers.LastModified <= builtIn.Headers.Date);
    }

    [Fact]
    public async Task A_file_that_was_replaced_with_the_same_size_and_time_is_read_again()
    {
        var stamp = DateTime.Parse("2024-05-06T07:08:09Z", CultureInfo.InvariantCulture);
        Write("page.txt", "before");
        await using var site = new SiteHost(_folder.Path, _time);
        Assert.Equal("before", (await site.GetAsync("/page.txt")).Content);
        Write("other", "behind");
        File.Move(_folder.File("other"), _folder.File("page.txt"), overwrite: true);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("behind", (await site.GetAsync("/page.txt")).Content);
        // In place: the same inode, another change time.
        Write("page.txt", "inside");
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("inside", (await site.GetAsync("/page.txt")).Content);

        void Write(string name, string content)
        {
            _folder.Write(name, content);
            File.SetLastWriteTimeUtc(_folder.File(name), stamp);
        }
    }

    [Fact]
    public async Task An_empty_file_is_served_and_a_file_that_shrinks_and_grows_is_read_again()
    {
        _folder.Write("page.txt", "");
        await using var site = new SiteHost(_folder.Path, _time);
        foreach (string content in new[] { "", "grown", "", "again" })
        {
            _folder.Write("page.txt", content);
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal((HttpStatusCode.OK, content), await site.GetAsync("/page.txt"));
        }
    }

    private static async Task MakeFifoAsync(string path)
    {
        using var made = System.Diagnostics.Process.Start("mkfifo", [path]);
        await made.WaitForExitAsync();
        Assert.Equal(0, made.ExitCode);
    }
}
