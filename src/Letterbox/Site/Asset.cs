// One static file, with every answer it can be asked for made ready: per content coding the whole and the
// 304.

using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Letterbox.Http;

namespace Letterbox.Site;

/// <summary>A static file in memory. Immutable.</summary>
internal sealed class Asset
{
    private sealed record Variant(
        byte[] Tag, (string, string)[] Fields, byte[] Content, Response Whole, Response NotModified);

    private const int SmallMax = 256 * 1024;
    private static readonly (string, string)[] s_none = [];
    private static readonly Response s_failed = Response.Create(412, [], default);
    private readonly Variant _identity;
    private readonly Variant? _gzip;
    private readonly Variant? _brotli;
    private readonly DateTimeOffset _lastModified;

    /// <summary>Compresses, hashes and lays out the answers.</summary>
    /// <param name="content">The file; kept, not copied.</param>
    /// <param name="mediaType">Its Content-Type.</param>
    /// <param name="lastModified">When it was changed; whole seconds count.</param>
    /// <param name="policy">The content security policy that goes with a page.</param>
    public Asset(byte[] content, string mediaType, DateTimeOffset lastModified, (string, string) policy)
    {
        _lastModified = DateTimeOffset.FromUnixTimeSeconds(lastModified.ToUnixTimeSeconds());
        bool page = mediaType.StartsWith("text/html", StringComparison.Ordinal);
        byte[]? gzip = null, brotli = null;
        if (MediaTypes.IsCompressible(mediaType))
        {
            // The last percent takes Brotli seconds for each megabyte.
            CompressionLevel level =
                content.Length <= SmallMax ? CompressionLevel.SmallestSize : CompressionLevel.Optimal;
            gzip = Smaller(content, s => new GZipStream(s, level, leaveOpen: true));
            brotli = Smaller(content, s => new BrotliStream(s, level, leaveOpen: true));
        }

        // A strong validator names bytes, so each coding has its own (RFC 9110 8.8.3.3).
        string hash = Convert.ToHexStringLower(SHA256.HashData(content).AsSpan(0, 8));
        (string, string)[] common =
        [
            ("Last-Modified", HttpDate.Format(_lastModified)),
            // Pages are asked about each time; what they load may be ten minutes old.
            ("Cache-Control", page ? "no-cache" : "public, max-age=600"),
            .. gzip is null && brotli is null ? s_none : [("Vary", "Accept-Encoding")],
            ResponseFields.NoSniff,
            .. page ? [ResponseFields.Referrer, policy] : s_none,
        ];
        Variant Make(byte[] bytes, string suffix, string? coding) =>
            MakeVariant(bytes, $"\"{hash}{suffix}\"", coding, mediaType, common);
        _identity = Make(content, "", null);
        _gzip = gzip is null ? null : Make(gzip, "-gz", "gzip");
        _brotli = brotli is null ? null : Make(brotli, "-br", "br");
    }

    /// <summary>The answer to a GET or HEAD.</summary>
    public Response Answer(Request request)
    {
        Variant variant = Choose(request);
        switch (Preconditions.Evaluate(request, variant.Tag, _lastModified))
        {
            case Precondition.NotModified: return variant.NotModified;
            case Precondition.Failed: return s_failed;
            default: break;
        }

        ByteRange range = ByteRange.Select(request, variant.Content.Length);
        bool whole = range.Kind == RangeKind.Whole
            || !Preconditions.RangeApplies(request, variant.Tag, _lastModified);
        return whole ? variant.Whole : Partial(variant, range);
    }

    private Variant Choose(Request request)
    {
        if (_gzip is null && _brotli is null) return _identity;
        return AcceptEncoding.Choose(request, _gzip is not null, _brotli is not null) switch
        {
            ContentCoding.Brotli => _brotli!,
            ContentCoding.Gzip => _gzip!,
            _ => _identity,
        };
    }

    private static Response Partial(Variant variant, ByteRange range)
    {
        int whole = variant.Content.Length;
        if (range.Kind == RangeKind.Unsatisfiable)
            return Response.Create(416, [("Content-Range", $"bytes */{whole}")]);
        string place = $"bytes {range.Start}-{range.Start + range.Length - 1}/{whole}";
        ReadOnlyMemory<byte> part = variant.Content.AsMemory(range.Start, range.Length);
        return Response.Create(206, [.. variant.Fields, ("Content-Range", place)], part);
    }

    private static Variant MakeVariant(
        byte[] content, string tag, string? coding, string mediaType, (string, string)[] common)
    {
        (string, string)[] validators = [("ETag", tag), .. common];
        List<(string, string)> fields =
            [("Content-Type", mediaType), .. validators, ("Accept-Ranges", "bytes")];
        if (coding is not null) fields.Insert(1, ("Content-Encoding", coding));
        (string, string)[] all = [.. fields];
        return new Variant(
            Encoding.ASCII.GetBytes(tag), all, content,
            Response.Create(200, all, content), Response.Create(304, validators));
    }

    private static byte[]? Smaller(byte[] content, Func<Stream, Stream> coder)
    {
        using var packed = new MemoryStream();
        using (Stream stream = coder(packed)) stream.Write(content);
        // Below a tenth saved, the client's work is not worth it.
        return packed.Length < content.Length * 0.9 ? packed.ToArray() : null;
    }
}
