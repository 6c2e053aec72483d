// Text as a terminal shows it. A message can hold anything: line breaks, escape sequences that would repaint
// the screen, marks that turn the direction of what follows. Shown, each of them becomes visible and none of
// them acts.

using System.Globalization;
using System.Text;

namespace Letterbox.Commands;

/// <summary>Makes text safe to show and knows how wide it is there. Pure functions.</summary>
internal static class DisplayText
{
    private const int ZeroWidthJoiner = 0x200D;

    /// <summary>
    /// The text in one line: what would act on the terminal is written as an escape, such as <c>\n</c>.
    /// </summary>
    public static string Visible(string text)
    {
        var shown = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (!Acts(rune)) shown.Append(rune);
            else if (rune.Value == '\n') shown.Append("\\n");
            else if (rune.Value == '\r') shown.Append("\\r");
            else if (rune.Value == '\t') shown.Append("\\t");
            else shown.Append(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:x}}}");
        }

        return shown.ToString();
    }

    /// <summary>
    /// How many columns the text takes, approximately: 2 for East Asian wide characters and emoji, 0 for
    /// marks.
    /// </summary>
    public static int Columns(string text)
    {
        int columns = 0;
        foreach (Rune rune in text.EnumerateRunes()) columns += Columns(rune);
        return columns;
    }

    /// <summary>The text if it fits in that many columns, else its beginning and an ellipsis.</summary>
    public static string Cut(string text, int columns)
    {
        // No letter takes more columns than it has bytes in UTF-16 (2 for one unit, 2 for a pair).
        if (text.Length <= columns / 2 || Columns(text) <= columns) return text;
        int taken = 0;
        int length = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            taken += Columns(rune);
            if (taken > columns - 1) break;
            length += rune.Utf16SequenceLength;
        }

        return string.Concat(text.AsSpan(0, length), "…");
    }

    // The joiner holds emoji together and does nothing else.
    private static bool Acts(Rune rune) => rune.Value != ZeroWidthJoiner && Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    private static int Columns(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format => 0,
        _ => IsWide(rune.Value) ? 2 : 1,
    };

    // The blocks that Unicode's East Asian Width (UAX #11) gives as wide, in round figures.
    private static bool IsWide(int rune) => rune is
        (>= 0x1100 and <= 0x115F) or (>= 0x2E80 and <= 0xA4CF) or (>= 0xAC00 and <= 0xD7A3)
        or (>= 0xF900 and <= 0xFAFF) or (>= 0xFE30 and <= 0xFE6F) or (>= 0xFF00 and <= 0xFF60)
        or (>= 0xFFE0 and <= 0xFFE6) or (>= 0x1F300 and <= 0x1FAFF) or (>= 0x20000 and <= 0x3FFFD);
}
