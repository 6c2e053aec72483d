// Which ready-made variant of a representation the client would like best.
//
//   Accept-Encoding = #( codings [ OWS ";" OWS "q=" qvalue ] )        RFC 9110 12.5.3
//   codings         = content-coding / "identity" / "*"
//   qvalue          = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )

namespace Letterbox.Http;

/// <summary>The codings that are kept ready, worst first.</summary>
public enum ContentCoding
{
    /// <summary>As it is.</summary>
    Identity,
    /// <summary>gzip, RFC 1952.</summary>
    Gzip,
    /// <summary>Brotli, RFC 7932.</summary>
    Brotli,
}

/// <summary>Reads Accept-Encoding.</summary>
public static class AcceptEncoding
{
    /// <summary>
    /// The best coding the client takes; the smaller variant where it likes several equally. Identity when it
    /// names none that is kept: an answer it did not want is worth more to it than a 406.
    /// </summary>
    /// <param name="request">The request.</param>
    /// <param name="hasGzip">A gzip variant is kept.</param>
    /// <param name="hasBrotli">A Brotli variant is kept.</param>
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
        // Unnamed, identity is acceptable, but less than what is named (12.5.3).
        int identity = weights[0] >= 0 ? weights[0] : 0;
        if (brotli > 0 && brotli >= gzip && brotli >= identity) return ContentCoding.Brotli;
        return gzip > 0 && gzip >= identity ? ContentCoding.Gzip : ContentCoding.Identity;
    }

    // Cuts the weight off the element; in thousandths, 1,000 without one, 0 for one that is malformed.
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
