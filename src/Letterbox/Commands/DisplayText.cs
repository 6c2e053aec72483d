// Text that is safe on a terminal. A message can contain line breaks, escape sequences that control the
// screen and characters that reverse the direction of text: all of these are written as visible escapes.

using System.Globalization;
using System.Text;

namespace Letterbox.Commands;

internal static class DisplayText
{
    private const int ZeroWidthJoiner = 0x200D;

    // The text in one line, with control characters as escapes such as \n.
    public static string Visible(string text) => Visible(text, static rune => rune.Value switch
    {
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        int other => string.Create(CultureInfo.InvariantCulture, $"\\u{{{other:x}}}"),
    });

    public static string Visible(string text, Func<Rune, string> escape)
    {
        var shown = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (IsControl(rune)) shown.Append(escape(rune));
            else shown.Append(rune);
        }

        return shown.ToString();
    }

    // Approximately: 2 columns for East Asian wide characters and emoji, 0 for combining marks.
    public static int Columns(string text)
    {
        int columns = 0;
        foreach (Rune rune in text.EnumerateRunes()) columns += Columns(rune);
        return columns;
    }

    // The text, cut with an ellipsis if it is wider.
    public static string Cut(string text, int columns)
    {
        // No character takes more than two columns for each UTF-16 code unit.
        if (text.Length <= columns / 2 || Columns(text) <= columns) return text;
        int width = 0, length = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            width += Columns(rune);
            if (width > columns - 1) break;
            length += rune.Utf16SequenceLength;
        }

        return string.Concat(text.AsSpan(0, length), "…");
    }

    // The joiner only combines emoji.
    private static bool IsControl(Rune rune) => rune.Value != ZeroWidthJoiner && Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    private static int Columns(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format => 0,
        _ => IsWide(rune.Value) ? 2 : 1,
    };

    // The wide blocks of Unicode's East Asian Width (UAX #11), approximately.
    private static bool IsWide(int rune) => rune is
        (>= 0x1100 and <= 0x115F) or (>= 0x2E80 and <= 0xA4CF) or (>= 0xAC00 and <= 0xD7A3)
        or (>= 0xF900 and <= 0xFAFF) or (>= 0xFE30 and <= 0xFE6F) or (>= 0xFF00 and <= 0xFF60)
        or (>= 0xFFE0 and <= 0xFFE6) or (>= 0x1F300 and <= 0x1FAFF) or (>= 0x20000 and <= 0x3FFFD);
}
