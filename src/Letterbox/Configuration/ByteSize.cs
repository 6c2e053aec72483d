// A number of bytes as settings write it: a whole number and one unit, such as 512KiB, 64MiB or 10GiB.

using System.Globalization;

namespace Letterbox.Configuration;

internal static class ByteSize
{
    public const string Expected = "a whole number and a unit, such as 512KiB, 64MiB or 10GiB";

    // "B" last: the other names end with it.
    private static readonly (string Name, long Bytes)[] s_units =
        [("TiB", 1L << 40), ("GiB", 1L << 30), ("MiB", 1L << 20), ("KiB", 1L << 10), ("B", 1)];

    // Reads 0 to 1,000,000 TiB.
    public static bool TryParse(string text, out long bytes)
    {
        bytes = 0;
        foreach ((string name, long unit) in s_units)
        {
            if (!text.EndsWith(name, StringComparison.Ordinal)) continue;
            ReadOnlySpan<char> digits = text.AsSpan(..^name.Length);
            CultureInfo culture = CultureInfo.InvariantCulture;
            bool number = long.TryParse(digits, NumberStyles.None, culture, out long count);
            if (!number || count > (1_000_000L << 40) / unit) return false;
            bytes = count * unit;
            return true;
        }

        return false;
    }
}
