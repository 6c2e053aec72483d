// The parameters of a field value, such as the boundary of a media type or the name of a form's field.
//
//   parameters = *( OWS ";" OWS name "=" ( token / quoted-string ) )        RFC 9110 5.6.6

using System.Text;

namespace Letterbox.Site;

internal static class FieldParameters
{
    public static bool TryGet(ReadOnlySpan<byte> value, ReadOnlySpan<byte> name, out ReadOnlySpan<byte> found)
    {
        found = default;
        while (value.IndexOf((byte)';') is >= 0 and var semicolon)
        {
            // A field line of a part may be folded (RFC 5322 2.2.3).
            value = value[(semicolon + 1)..].TrimStart(" \t\r\n"u8);
            int nameEnd = value.IndexOfAny((byte)'=', (byte)';');
            if (nameEnd < 0) return false;
            // Without a value it is not a parameter; the next one follows.
            if (value[nameEnd] == (byte)';') continue;
            bool named = Ascii.EqualsIgnoreCase(value[..nameEnd], name);
            value = value[(nameEnd + 1)..];
            bool quoted = value.StartsWith("\""u8);
            if (quoted) value = value[1..];
            int end = quoted ? value.IndexOf((byte)'"') : value.IndexOfAny("; \t\r"u8);
            if (quoted && end < 0) return false;
            if (named)
            {
                found = end < 0 ? value : value[..end];
                return true;
            }

            value = end < 0 ? default : value[end..];
        }

        return false;
    }
}
