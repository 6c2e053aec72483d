// A static file and its compressed variants: a request never compresses.

using System.Text;
using Letterbox.Http;
using Letterbox.Site;

namespace Letterbox.Tests.Site;

public sealed class AssetTests
{
    [Theory]
    [InlineData(100)]
    [InlineData(100_000)]
    public void A_file_that_is_not_compressed_yet_is_sent_uncompressed(int lines)
    {
        byte[] content = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("brown fox\n", lines)));
        var asset = new Asset(content, "text/plain", DateTimeOffset.UnixEpoch, ("a", "b"));
        Assert.Equal(content, asset.Answer(Get()).Content.ToArray());
        asset.Compress();
        Response packed = asset.Answer(Get());
        string head = Encoding.ASCII.GetString(packed.Head.Span);
        Assert.Contains("Content-Encoding: br", head, StringComparison.Ordinal);
        Assert.InRange(packed.Content.Length, 1, content.Length / 2);
    }

    private static Request Get()
    {
        byte[] bytes = "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n"u8.ToArray();
        var reader = new RequestReader(new HttpLimits());
        int end = bytes.Length;
        Assert.Equal(ReadStatus.Complete, reader.Read(bytes, 0, ref end));
        return reader.Request;
    }
}
