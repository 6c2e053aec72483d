// Which prepared variant of a representation the client prefers.
//
//   Accept-Encoding = #( codings [ OWS ";" OWS "q=" qvalue ] )        RFC 9110 12.5.3
//   codings         = content-coding / "identity" / "*"
//   qvalue          = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )

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
        Span<int> weights = [-1, -1, -1];
        int any = -1;
        for (int at = -1; request.NextField("accept-encoding"u8, ref at);)
        {
            ReadOnlySpan<byte> list = request.FieldValue(at);
            while (Grammar.NextElement(ref list, out ReadOnlySpan<byte> element))
            {
                int weight = Weight(ref element);
                if (Grammar.Same(element, "br"u8)) weights[(int)ContentCoding.Brotli] = weight;
                else if (Grammar.Same(element, "gzip"u8) || Grammar.Same(element, "x-gzip"u8))
                    weights[(int)ContentCoding.Gzip] = weight;
                else if (Grammar.Same(element, "identity"u8)) weights[(int)ContentCoding.Identity] = weight;
                else if (element.SequenceEqual("*"u8)) any = weight;
            }
        }

        int gzip = !hasGzip ? 0 : Math.Max(0, weights[1] < 0 ? any : weights[1]);
        int brotli = !hasBrotli ? 0 : Math.Max(0, weights[2] < 0 ? any : weights[2]);
        // If not listed, identity is acceptable, but less than what is listed (12.5.3).
        int identity = weights[0] >= 0 ? weights[0] : 0;
        if (brotli > 0 && brotli >= gzip && brotli >= identity) return ContentCoding.Brotli;
        return gzip > 0 && gzip >= identity ? ContentCoding.Gzip : ContentCoding.Identity;
    }

    // Removes the weight from the element; in thousandths, 1,000 without one, 0 for one that is malformed.
    private static int Weight(ref ReadOnlySpan<byte> element)
    {
        int semicolon = element.IndexOf((byte)';');
        if (semicolon < 0) return 1000;
        ReadOnlySpan<byte> parameter = Grammar.Trim(element[(semicolon + 1)..]);
        element = Grammar.Trim(element[..semicolon]);
        if (parameter.Length is < 3 or > 7 || !Grammar.Same(parameter[..2], "q="u8)) return 0;
        ReadOnlySpan<byte> value = parameter[2..];
        if (value[0] is not ((byte)'0' or (byte)'1') || (value.Length > 1 && value[1] != '.')) return 0;
        int weight = (value[0] - '0') * 1000;
        for (int i = 2, unit = 100; i < value.Length; i++, unit /= 10)
        {
            if (!char.IsAsciiDigit((char)value[i])) return 0;
            weight += (value[i] - '0') * unit;
        }

        return weight <= 1000 ? weight : 0;
    }
}
