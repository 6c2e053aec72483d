// A time zone as POSIX writes it in TZ (IEEE Std 1003.1, 8.3), with the hours of RFC 9636, 3.3.1:
//
//    zone  = name offset [ name [ offset ] [ "," rule "," rule ] ]
//    name  = 3*ALPHA  |  "<" 3*( ALPHA | DIGIT | "+" | "-" ) ">"
//    offset= [ "+" | "-" ] hours [ ":" minutes [ ":" seconds ] ]    what to add to local time: JST-9 is UTC+9
//    rule  = date [ "/" offset ]                                     when summer time begins, and ends
//    date  = "M" month "." week "." day    week 5: the last; day 0: Sunday
//          | "J" 1-365                     29 February is never counted
//          | 0-365                         29 February is counted
//
// Without rules they are those of the C library: M3.2.0,M11.1.0. Without an offset, summer time is one hour
// ahead.

using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Letterbox.Configuration;

internal static partial class PosixTimeZone
{
    // The years for which the days of summer time are computed.
    private const int FirstYear = 1970, LastYear = 2199;

    [GeneratedRegex(
        """
        ^(?<name>[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)(?<offset>[+-]?\d{1,2}(:\d\d){0,2})
        ((?<summer>[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)(?<ahead>[+-]?\d{1,2}(:\d\d){0,2})?
        (,(?<start>(M\d\d?\.\d\.\d|J?\d{1,3}))(/(?<startTime>[+-]?\d{1,3}(:\d\d){0,2}))?
        ,(?<end>(M\d\d?\.\d\.\d|J?\d{1,3}))(/(?<endTime>[+-]?\d{1,3}(:\d\d){0,2}))?)?)?$
        """,
        RegexOptions.IgnorePatternWhitespace | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex Syntax();

    public static bool TryParse(string text, [NotNullWhen(true)] out TimeZoneInfo? zone)
    {
        zone = null;
        Match match = Syntax().Match(text);
        if (!match.Success) return false;
        try
        {
            TimeSpan standard = -Span(match.Groups["offset"].Value);
            string name = match.Groups["name"].Value, summer = match.Groups["summer"].Value;
            TimeZoneInfo.AdjustmentRule[] rules = [];
            if (summer.Length > 0)
            {
                Group ahead = match.Groups["ahead"];
                TimeSpan delta = ahead.Success ? -Span(ahead.Value) - standard : TimeSpan.FromHours(1);
                rules =
                [
                    .. from year in Enumerable.Range(FirstYear, LastYear - FirstYear + 1)
                       let start = Date(match, "start", "M3.2.0", year)
                       let end = Date(match, "end", "M11.1.0", year)
                       select RuleOf(year, delta, start, end),
                ];
            }

            zone = TimeZoneInfo.CreateCustomTimeZone(text, standard, text, name, summer, rules);
            return true;
        }
        catch (Exception e) when (e is FormatException or ArgumentException or InvalidTimeZoneException)
        {
            // Out of range: 25:00, M13.1.0, or an offset with seconds or beyond 14 hours.
            return false;
        }
    }

    private static TimeZoneInfo.AdjustmentRule RuleOf(
        int year, TimeSpan delta, DateTime start, DateTime end) =>
        TimeZoneInfo.AdjustmentRule.CreateAdjustmentRule(
            new DateTime(year, 1, 1), new DateTime(year, 12, 31), delta, Transition(start), Transition(end));

    private static TimeZoneInfo.TransitionTime Transition(DateTime at) =>
        TimeZoneInfo.TransitionTime.CreateFixedDateRule(
            DateTime.MinValue + at.TimeOfDay, at.Month, at.Day);

    private static DateTime Date(Match match, string group, string otherwise, int year)
    {
        string date = match.Groups[group].Success ? match.Groups[group].Value : otherwise;
        Group time = match.Groups[group + "Time"];
        return Day(date, year) + (time.Success ? Span(time.Value) : TimeSpan.FromHours(2));
    }

    private static DateTime Day(string date, int year)
    {
        var january = new DateTime(year, 1, 1);
        if (date[0] == 'M')
        {
            int[] part = [.. date[1..].Split('.').Select(Number)];
            var first = new DateTime(year, part[0], 1);
            if (part[1] is < 1 or > 5 || part[2] > 6) throw new FormatException(date);
            DateTime day = first.AddDays((part[2] - (int)first.DayOfWeek + 7) % 7 + 7 * (part[1] - 1));
            return day.Month == part[0] ? day : day.AddDays(-7);
        }

        if (date[0] != 'J') return january.AddDays(Number(date));
        int number = Number(date[1..]);
        if (number is < 1 or > 365) throw new FormatException(date);
        return january.AddDays(number - 1 + (DateTime.IsLeapYear(year) && number > 59 ? 1 : 0));
    }

    private static TimeSpan Span(string text)
    {
        int[] part = [.. text.TrimStart('+', '-').Split(':').Select(Number), 0, 0];
        if (part[1] > 59 || part[2] > 59) throw new FormatException(text);
        var span = new TimeSpan(part[0], part[1], part[2]);
        return text[0] == '-' ? -span : span;
    }

    private static int Number(string digits) => int.Parse(digits, CultureInfo.InvariantCulture);
}
