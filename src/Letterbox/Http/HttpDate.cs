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
        ["ddd, dd MMM yyyy HH:mm:ss 'GMT'", "ddd MMM d HH:mm:ss yyyy", "ddd MMM  d HH:mm:ss yyyy"];

    // IMF-fixdate.
    public static string Format(DateTimeOffset date) => date.ToString("r", CultureInfo.InvariantCulture);

    // Reads any of the three forms; an invalid date is ignored (RFC 9110 13.1.3).
    public static bool TryParse(ReadOnlySpan<byte> text, DateTimeOffset now, out DateTimeOffset date)
    {
        date = default;
        if (text.Length is < 24 or > 33 || !Ascii.IsValid(text)) return false;
        // A leap second, which no clock here has.
        string form = Encoding.ASCII.GetString(text).Replace(":60 ", ":59 ", StringComparison.Ordinal);
        int year = form.LastIndexOf('-') + 1;
        return year > 0 ? TryParseRfc850(form, year, now, out date) : TryParse(form, s_formats, out date);
    }

    // The year is of this century, unless that is more than 50 years in the future: then of the last one
    // (5.6.7). The name of the day must match.
    private static bool TryParseRfc850(string form, int year, DateTimeOffset now, out DateTimeOffset date)
    {
        int dayEnd = form.IndexOf(',', StringComparison.Ordinal);
        return (InCentury(now.Year / 100, out date)
                && (date <= now.AddYears(50) || InCentury((now.Year / 100) - 1, out date)))
            && form.AsSpan(0, Math.Max(0, dayEnd)).SequenceEqual($"{date.DayOfWeek}");

        bool InCentury(int century, out DateTimeOffset date) => TryParse(
            form.Insert(year, $"{century:D2}")[(dayEnd + 1)..], [" dd-MMM-yyyy HH:mm:ss 'GMT'"], out date);
    }

    private static bool TryParse(string form, string[] formats, out DateTimeOffset date) =>
        DateTimeOffset.TryParseExact(
            form, formats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out date);
}
