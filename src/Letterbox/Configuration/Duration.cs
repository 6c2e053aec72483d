// A duration as settings write it: a number and one unit, such as 90s, 30m, 12h or 7d.

using System.Globalization;

namespace Letterbox.Configuration;

internal static class Duration
{
    public const string Expected = "a number and a unit, such as 90s, 30m, 12h or 7d";

    // Reads 0 to 36,500 days.
    public static bool TryParse(string text, out TimeSpan value)
    {
        value = default;
        if (text.Length == 0) return false;
        int unit = text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86400, _ => 0 };
        if (unit == 0) return false;
        const NumberStyles style = NumberStyles.AllowDecimalPoint;
        CultureInfo culture = CultureInfo.InvariantCulture;
        bool number = decimal.TryParse(text.AsSpan(..^1), style, culture, out decimal count);
        if (!number || count > 36_500m * 86400 / unit) return false;
        value = TimeSpan.FromTicks((long)(count * unit * TimeSpan.TicksPerSecond));
        return true;
    }
}
