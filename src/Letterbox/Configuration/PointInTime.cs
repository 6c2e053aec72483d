// A point in time as options write it: a local date and time, or how long ago it was.
//
//     2026-11-01    2026-11-01 12:00    2026-11-01 12:00:30    36h

using System.Globalization;

namespace Letterbox.Configuration;

internal static class PointInTime
{
    public const string Expected =
        "a date, such as 2026-11-01 or \"2026-11-01 12:00\", or how long ago, such as 36h";

    private static readonly string[] s_formats = ["yyyy-MM-dd", "yyyy-MM-dd HH:mm", "yyyy-MM-dd HH:mm:ss"];

    // Reads local time. If an hour occurs twice, in autumn, the first one is meant.
    public static bool TryParse(string text, TimeProvider time, out DateTimeOffset value)
    {
        value = default;
        if (Duration.TryParse(text, out TimeSpan ago))
        {
            value = time.GetUtcNow() - ago;
            return true;
        }

        CultureInfo culture = CultureInfo.InvariantCulture;
        bool date = DateTime.TryParseExact(
            text, s_formats, culture, DateTimeStyles.None, out DateTime local);
        // East of Greenwich, 0001-01-01 in UTC is before DateTimeOffset.MinValue.
        if (!date || local.Year == 1) return false;
        TimeZoneInfo zone = time.LocalTimeZone;
        TimeSpan offset = zone.IsAmbiguousTime(local)
            ? zone.GetAmbiguousTimeOffsets(local).Max()
            : zone.GetUtcOffset(local);
        value = new DateTimeOffset(local, offset);
        return true;
    }
}
