// Which prepared variant of a representation the client prefers (RFC 9110 12.5.3).

namespace Letterbox.Http;

internal enum ContentCoding
{
    Identity,
    Gzip, // RFC 1952
    Brotli, // RFC 7932
}

internal static class AcceptEncoding
{
    // The coding that the client prefers; the smaller variant if it accepts several equally. Identity if it
    // accepts none that exists: a response in another coding is more useful to it than a 406.
    public static ContentCoding Choose(Request request, bool hasGzip, bool hasBrotli)
    {
        // Not listed: as "*" is. Identity is then acceptable, but less than what is listed.
        int? gzip = null, brotli = null;
        int identity = 0, any = 0;
        for (var accept = new Accept(request, "accept-encoding"u8); accept.Next();)
        {
            if (Grammar.Same(accept.Range, "br"u8)) brotli = accept.Weight;
            else if (Grammar.Same(accept.Range, "gzip"u8) || Grammar.Same(accept.Range, "x-gzip"u8))
                gzip = accept.Weight;
            else if (Grammar.Same(accept.Range, "identity"u8)) identity = accept.Weight;
            else if (accept.Range.SequenceEqual("*"u8)) any = accept.Weight;
        }

        gzip = hasGzip ? gzip ?? any : 0;
        brotli = hasBrotli ? brotli ?? any : 0;
        if (brotli > 0 && brotli >= gzip && brotli >= identity) return ContentCoding.Brotli;
        return gzip > 0 && gzip >= identity ? ContentCoding.Gzip : ContentCoding.Identity;
    }
}
