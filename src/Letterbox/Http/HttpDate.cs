// HTTP-date, for Date, Last-Modified and the conditions that compare with it.
//
//   IMF-fixdate  = Sun, 06 Nov 1994 08:49:37 GMT        RFC 9110 5.6.7: what is sent
//   rfc850-date  = Sunday, 06-Nov-94 08:49:37 GMT       obsolete, but accepted
//   asctime-date = Sun Nov  6 08:49:37 1994

using System.Globalization;
using System.Text;

namespace Letterbox.Http;

internal static class HttpDate
{
    private static readonly string[] s_formats =
    [
        "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
        "dddd, dd-MMM-yy HH:mm:ss 'GMT'",
        "ddd MMM d HH:mm:ss yyyy",
        "ddd MMM  d HH:mm:ss yyyy",
    ];

    // IMF-fixdate.
    public static string Format(DateTimeOffset date) => date.ToString("r", CultureInfo.InvariantCulture);

    // Reads any of the three forms; an invalid date is ignored (RFC 9110 13.1.3).
    public static bool TryParse(ReadOnlySpan<byte> text, out DateTimeOffset date)
    {
        date = default;
        if (text.Length is < 24 or > 33 || !Ascii.IsValid(text)) return false;
        Span<char> chars = stackalloc char[text.Length];
        Encoding.ASCII.GetChars(text, chars);
        return DateTimeOffset.TryParseExact(
            chars, s_formats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out date);
    }
}
