// One static file, with its responses prepared once: for each content coding the whole file and the 304.

using System.Globalization;
using System.IO.Compression;
using System.Text;
using Letterbox.Http;

namespace Letterbox.Site;

/// <summary>Thread-safe.</summary>
internal sealed class Asset
{
    private sealed record Variant(
        byte[] Tag, (string, string)[] Fields, byte[] Content, Response Whole, Response NotModified);

    private sealed record CompressedVariants(Variant? Gzip, Variant? Brotli);

    private const int SmallMax = 32 * 1024;
    private static readonly (string, string)[] s_none = [];
    private static readonly Response s_failed = Response.Create(412, [], default);
    private readonly Variant _identity;
    private readonly Func<CompressedVariants>? _compress;
    private volatile CompressedVariants? _compressed;
    private readonly DateTimeOffset _lastModified;

    /// <summary>Prepares all responses except the compressed ones. The content is not copied.</summary>
    public Asset(byte[] content, string mediaType, DateTimeOffset lastModified, (string, string) policy)
    {
        _lastModified = DateTimeOffset.FromUnixTimeSeconds(lastModified.ToUnixTimeSeconds());
        bool page = mediaType.StartsWith("text/html", StringComparison.Ordinal);
        // A strong validator names bytes, so each coding has another one (RFC 9110 8.8.3.3).
        string hash = Fingerprint(content).ToString("x16", CultureInfo.InvariantCulture);
        (string, string)[] common =
        [
            ("Last-Modified", HttpDate.Format(_lastModified)),
            // Pages are revalidated each time; what they load may be ten minutes old.
            ("Cache-Control", page ? "no-cache" : "public, max-age=600"),
            .. MediaTypes.IsCompressible(mediaType) ? [("Vary", "Accept-Encoding")] : s_none,
            ResponseFields.NoSniff,
            .. page ? [ResponseFields.Referrer, policy] : s_none,
        ];
        _identity = MakeVariant(content, $"\"{hash}\"", null, mediaType, common);
        if (!MediaTypes.IsCompressible(mediaType)) return;
        _compress = () => new CompressedVariants(
            Coded(content, "gzip", static (to, level) => new GZipStream(to, level, leaveOpen: true)),
            Coded(content, "br", static (to, level) => new BrotliStream(to, level, leaveOpen: true)));

        Variant? Coded(byte[] bytes, string coding, Func<Stream, CompressionLevel, Stream> coder) =>
            Compress(bytes, coder) is { } compressed
                ? MakeVariant(compressed, $"\"{hash}-{coding}\"", coding, mediaType, common)
                : null;
    }

    /// <summary>Takes milliseconds to seconds; until then the file is sent uncompressed.</summary>
    public void Compress() => _compressed ??= _compress?.Invoke();

    /// <summary>The response to a GET or HEAD.</summary>
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
        if (_compressed is not var (gzip, brotli)) return _identity;
        return AcceptEncoding.Choose(request, gzip is not null, brotli is not null) switch
        {
            ContentCoding.Brotli => brotli!,
            ContentCoding.Gzip => gzip!,
            _ => _identity,
        };
    }

    private static Response Partial(Variant variant, ByteRange range)
    {
        int whole = variant.Content.Length;
        if (range.Kind == RangeKind.Unsatisfiable)
            return Response.Create(416, [("Content-Range", $"bytes */{whole}")]);
        string contentRange = $"bytes {range.Start}-{range.Start + range.Length - 1}/{whole}";
        ReadOnlyMemory<byte> part = variant.Content.AsMemory(range.Start, range.Length);
        return Response.Create(206, [.. variant.Fields, ("Content-Range", contentRange)], part);
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

    // FNV-1a, 64 bits: it distinguishes versions of a file, and an attacker gains nothing by a collision.
    private static ulong Fingerprint(byte[] content)
    {
        ulong hash = 14695981039346656037;
        foreach (byte b in content) hash = (hash ^ b) * 1099511628211;
        return hash;
    }

    // Null: not worth it.
    private static byte[]? Compress(byte[] content, Func<Stream, CompressionLevel, Stream> coder)
    {
        // The last percent takes Brotli seconds for each megabyte.
        CompressionLevel level =
            content.Length <= SmallMax ? CompressionLevel.SmallestSize : CompressionLevel.Optimal;
        using var compressed = new MemoryStream();
        using (Stream stream = coder(compressed, level)) stream.Write(content);
        // If less than a tenth is saved, decompressing costs the client more than it gains.
        return compressed.Length < content.Length * 0.9 ? compressed.ToArray() : null;
    }
}
