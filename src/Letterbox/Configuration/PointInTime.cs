// A moment as people name it: by the clock on the wall, or by how long ago it was.
//
//     2026-11-01    2026-11-01 12:00    2026-11-01 12:00:30    36h

using System.Globalization;

namespace Letterbox.Configuration;

/// <summary>Reads moments. Pure functions of the text and the clock.</summary>
public static class PointInTime
{
    /// <summary>Expected format, for error messages.</summary>
    public const string Expected =
        "a date, such as 2026-11-01 or \"2026-11-01 12:00\", or how long ago, such as 36h";

    private static readonly string[] s_formats = ["yyyy-MM-dd", "yyyy-MM-dd HH:mm", "yyyy-MM-dd HH:mm:ss"];

    /// <summary>
    /// Reads one, in local time. Of an hour that comes twice, in autumn, the first is meant.
    /// </summary>
    public static bool TryParse(string text, TimeProvider time, out DateTimeOffset moment)
    {
        moment = default;
        if (Duration.TryParse(text, out TimeSpan ago))
        {
            moment = time.GetUtcNow() - ago;
            return true;
        }

        CultureInfo culture = CultureInfo.InvariantCulture;
        bool date = DateTime.TryParseExact(
            text, s_formats, culture, DateTimeStyles.None, out DateTime wall);
        // East of Greenwich the first day there is began before time did.
        if (!date || wall.Year == 1) return false;
        TimeZoneInfo zone = time.LocalTimeZone;
        TimeSpan offset = zone.IsAmbiguousTime(wall)
            ? zone.GetAmbiguousTimeOffsets(wall).Max()
            : zone.GetUtcOffset(wall);
        moment = new DateTimeOffset(wall, offset);
        return true;
    }
}
