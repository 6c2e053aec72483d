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

    private const int SmallMax = 32 * 1024;
    private static readonly (string, string)[] s_none = [];
    private static readonly Response s_failed = Response.Create(412, [], default);
    private readonly string _mediaType, _hash;
    private readonly DateTimeOffset _lastModified;
    private readonly (string, string)[] _common;
    private readonly Variant _identity;
    private volatile Variant? _gzip, _brotli;

    /// <summary>Prepares all responses except the compressed ones. The content is not copied.</summary>
    public Asset(byte[] content, string mediaType, DateTimeOffset lastModified, (string, string) policy)
    {
        _mediaType = mediaType;
        _lastModified = DateTimeOffset.FromUnixTimeSeconds(lastModified.ToUnixTimeSeconds());
        _hash = Fingerprint(content).ToString("x16", CultureInfo.InvariantCulture);
        bool page = mediaType.StartsWith("text/html", StringComparison.Ordinal);
        _common =
        [
            ("Last-Modified", HttpDate.Format(_lastModified)),
            // Pages are revalidated each time; what they load may be ten minutes old.
            ("Cache-Control", page ? "no-cache" : "public, max-age=600"),
            .. MediaTypes.IsCompressible(mediaType) ? [("Vary", "Accept-Encoding")] : s_none,
            ResponseFields.NoSniff,
            .. page ? [ResponseFields.Referrer, policy] : s_none,
        ];
        _identity = MakeVariant(content, coding: null);
    }

    /// <summary>Takes milliseconds to seconds; until then the file is sent uncompressed.</summary>
    public void Compress()
    {
        if (!MediaTypes.IsCompressible(_mediaType)) return;
        _gzip = Compressed("gzip", static (to, level) => new GZipStream(to, level, leaveOpen: true));
        _brotli = Compressed("br", static (to, level) => new BrotliStream(to, level, leaveOpen: true));
    }

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
        (Variant? gzip, Variant? brotli) = (_gzip, _brotli);
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

    private Variant MakeVariant(byte[] content, string? coding)
    {
        // A strong validator names bytes, so each coding has another one (RFC 9110 8.8.3.3).
        string tag = coding is null ? $"\"{_hash}\"" : $"\"{_hash}-{coding}\"";
        (string, string)[] validators = [("ETag", tag), .. _common];
        (string, string)[] fields =
        [
            ("Content-Type", _mediaType),
            .. coding is null ? s_none : [("Content-Encoding", coding)],
            .. validators,
            ("Accept-Ranges", "bytes"),
        ];
        return new Variant(
            Encoding.ASCII.GetBytes(tag), fields, content,
            Response.Create(200, fields, content), Response.Create(304, validators));
    }

    // FNV-1a, 64 bits: it distinguishes versions of a file, and an attacker gains nothing by a collision.
    private static ulong Fingerprint(byte[] content)
    {
        ulong hash = 14695981039346656037;
        foreach (byte b in content) hash = (hash ^ b) * 1099511628211;
        return hash;
    }

    // Null: not worth it.
    private Variant? Compressed(string coding, Func<Stream, CompressionLevel, Stream> coder)
    {
        byte[] content = _identity.Content;
        // The last percent takes Brotli seconds for each megabyte.
        CompressionLevel level =
            content.Length <= SmallMax ? CompressionLevel.SmallestSize : CompressionLevel.Optimal;
        using var compressed = new MemoryStream();
        using (Stream stream = coder(compressed, level)) stream.Write(content);
        // If less than a tenth is saved, decompressing costs the client more than it gains.
        bool worth = compressed.Length < content.Length * 0.9;
        return worth ? MakeVariant(compressed.ToArray(), coding) : null;
    }
}
