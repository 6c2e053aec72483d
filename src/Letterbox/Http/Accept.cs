// What a client accepts, and how much: the one parser of Accept and Accept-Encoding.
//
//   Accept          = #( media-range [ weight ] )                                       RFC 9110 12.5.1
//   Accept-Encoding = #( codings [ weight ] )                                           12.5.3
//   media-range     = ( "*/*" / type "/*" / type "/" subtype ) *( ";" parameter )
//   codings         = content-coding / "identity" / "*"
//   weight          = ";" "q=" ( "0" [ "." 0*3DIGIT ] / "1" [ "." 0*3("0") ] )          12.4.2
//
// White space may surround every part, and names have no case.

namespace Letterbox.Http;

// The elements of all fields of this name, in order.
internal ref struct Accept(Request request, ReadOnlySpan<byte> field)
{
    private readonly ReadOnlySpan<byte> _field = field;
    private ReadOnlySpan<byte> _rest = default;
    private int _at = -1;

    // The media range or content coding, without parameters.
    public ReadOnlySpan<byte> Range { get; private set; }

    // In thousandths: 0 is "not acceptable", also for a malformed one.
    public int Weight { get; private set; }

    public bool HasParameters { get; private set; }

    public bool Next()
    {
        ReadOnlySpan<byte> element;
        while (!Grammar.NextElement(ref _rest, out element))
        {
            if (!request.NextField(_field, ref _at)) return false;
            _rest = request.FieldValue(_at);
        }

        Grammar.NextElement(ref element, out ReadOnlySpan<byte> range, (byte)';');
        Range = range;
        (Weight, HasParameters) = (1000, false);
        while (Grammar.NextElement(ref element, out ReadOnlySpan<byte> parameter, (byte)';'))
        {
            Grammar.NextElement(ref parameter, out ReadOnlySpan<byte> name, (byte)'=');
            if (Grammar.Same(name, "q"u8))
            {
                // What follows the weight is an extension of an older RFC, and has no meaning.
                Weight = ReadWeight(Grammar.Trim(parameter));
                break;
            }

            HasParameters = true;
        }

        return true;
    }

    // Whether the client prefers one media type to another, which it gets if it has no preference. Of two
    // that it accepts equally, it prefers the one that it names: "application/json, */*".
    public static bool Prefers(Request request, ReadOnlySpan<byte> wanted, ReadOnlySpan<byte> other)
    {
        (int Specificity, int Weight) best = default, bestOther = default;
        for (var accept = new Accept(request, "accept"u8); accept.Next();)
        {
            best = accept.Best(best, wanted);
            bestOther = accept.Best(bestOther, other);
        }

        return best.Weight > bestOther.Weight || (best.Weight == bestOther.Weight && best.Weight > 0
            && best.Specificity > bestOther.Specificity);
    }

    // The most specific range decides (12.5.1). Parameters are not compared: a range with some is only less
    // exact than the same one without.
    private readonly (int Specificity, int Weight) Best(
        (int Specificity, int Weight) best, ReadOnlySpan<byte> mediaType)
    {
        int typeEnd = mediaType.IndexOf((byte)'/') + 1;
        int specificity =
            Grammar.Same(Range, mediaType) ? (HasParameters ? 3 : 4)
            : Range.EndsWith("/*"u8) && Grammar.Same(Range[..^1], mediaType[..typeEnd]) ? 2
            : Range.SequenceEqual("*/*"u8) ? 1
            : 0;
        return specificity > 0 && (specificity, Weight).CompareTo(best) > 0 ? (specificity, Weight) : best;
    }

    private static int ReadWeight(ReadOnlySpan<byte> value)
    {
        if (value.Length is 0 or > 5 || value[0] is not ((byte)'0' or (byte)'1')
            || (value.Length > 1 && value[1] != '.'))
        {
            return 0;
        }

        int weight = (value[0] - '0') * 1000;
        for (int i = 2, unit = 100; i < value.Length; i++, unit /= 10)
        {
            if (!char.IsAsciiDigit((char)value[i])) return 0;
            weight += (value[i] - '0') * unit;
        }

        return weight <= 1000 ? weight : 0;
    }
}
