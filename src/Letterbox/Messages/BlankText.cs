// Whether a text shows nothing at all: white space, control characters, and what Unicode calls
// default-ignorable, such as the zero-width space and the variation selectors: nothing is drawn for them
// (DerivedCoreProperties.txt, Default_Ignorable_Code_Point).

using System.Buffers;
using System.Text;

namespace Letterbox.Messages;

internal static class BlankText
{
    // Default-ignorable; U+FFF9 to U+FFFB, the marks of annotations; and characters with an empty glyph:
    // U+2800 BRAILLE PATTERN BLANK, U+1D159 MUSICAL SYMBOL NULL NOTEHEAD.
    private static readonly (int First, int Last)[] s_invisible =
    [
        (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5),
        (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x2800, 0x2800),
        (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB),
        (0x1BCA0, 0x1BCA3), (0x1D159, 0x1D159), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
    ];

    public static bool IsBlank(ReadOnlySpan<byte> utf8)
    {
        while (!utf8.IsEmpty)
        {
            bool valid = Rune.DecodeFromUtf8(utf8, out Rune rune, out int length) == OperationStatus.Done;
            if (!valid || !IsInvisible(rune)) return false;
            utf8 = utf8[length..];
        }

        return true;
    }

    private static bool IsInvisible(Rune rune) =>
        Rune.IsWhiteSpace(rune) || Rune.IsControl(rune)
        || Array.Exists(s_invisible, range => rune.Value >= range.First && rune.Value <= range.Last);
}
