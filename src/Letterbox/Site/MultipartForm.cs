// multipart/form-data, as a browser sends it for a form without files.
//
//   --boundary CRLF
//   Content-Disposition: form-data; name="username" CRLF
//   CRLF
//   value CRLF
//   --boundary-- CRLF                                        RFC 7578; RFC 2046 5.1
//
// Browsers percent-encode `"`, CR and LF in names and nothing else (HTML Standard, multipart/form-data
// encoding), so the names that count here can be compared directly. A part with a file name is a file and is
// rejected, unless name and content are empty: browsers send that for a file that was not chosen.

using System.Text;
using Letterbox.Messages;

namespace Letterbox.Site;

/// <summary>Decodes the content of a form into its fields.</summary>
internal static class MultipartForm
{
    private const int BoundaryMax = 70;
    private static readonly FieldError s_file = new("", "files are not accepted");
    private static readonly FieldError s_broken = new("", "the form is not valid multipart/form-data");

    // The boundary parameter of the media type; empty if there is no valid one.
    public static ReadOnlySpan<byte> Boundary(ReadOnlySpan<byte> contentType)
    {
        TryParameter(contentType, "boundary"u8, out ReadOnlySpan<byte> boundary);
        return boundary.Length <= BoundaryMax ? boundary : default;
    }

    // Returns null, or what is wrong.
    public static FieldError? Read(
        ReadOnlySpan<byte> content, ReadOnlySpan<byte> boundary, out MessageFields fields)
    {
        fields = default;
        if (boundary.IsEmpty) return s_broken;
        // The CRLF before a delimiter belongs to it; before the first one it may be missing.
        byte[] delimiter = [(byte)'\r', (byte)'\n', (byte)'-', (byte)'-', .. boundary];
        if (!content.StartsWith(delimiter.AsSpan(2))) return s_broken;
        content = content[(delimiter.Length - 2)..];
        while (!content.StartsWith("--"u8))
        {
            if (!content.StartsWith("\r\n"u8)) return s_broken;
            int end = content.IndexOf(delimiter);
            if (end < 2) return s_broken;
            if (ReadPart(content[2..end], ref fields) is { } error) return error;
            content = content[(end + delimiter.Length)..];
        }

        return null;
    }

    private static FieldError? ReadPart(ReadOnlySpan<byte> part, ref MessageFields fields)
    {
        int empty = part.StartsWith("\r\n"u8) ? 0 : part.IndexOf("\r\n\r\n"u8);
        if (empty < 0) return s_broken;
        ReadOnlySpan<byte> head = part[..empty];
        ReadOnlySpan<byte> value = part[(empty == 0 ? 2 : empty + 4)..];
        ReadOnlySpan<byte> name = default;
        while (!head.IsEmpty)
        {
            int lineEnd = head.IndexOf("\r\n"u8);
            ReadOnlySpan<byte> line = lineEnd < 0 ? head : head[..lineEnd];
            head = lineEnd < 0 ? default : head[(lineEnd + 2)..];
            if (line.Length <= 20 || !Ascii.EqualsIgnoreCase(line[..20], "content-disposition:"u8)) continue;
            if (TryParameter(line, "filename"u8, out ReadOnlySpan<byte> file)
                | TryParameter(line, "filename*"u8, out ReadOnlySpan<byte> encoded))
            {
                bool chosen = !(file.IsEmpty && encoded.IsEmpty && value.IsEmpty);
                return chosen ? s_file : null;
            }

            TryParameter(line, "name"u8, out name);
        }

        MessageField field = MessageFields.Named(name);
        return field == MessageField.None ? null : fields.Set(field, value);
    }

    // *( OWS ";" OWS name "=" ( token / quoted-string ) )        RFC 9110 5.6.6
    private static bool TryParameter(
        ReadOnlySpan<byte> value, ReadOnlySpan<byte> name, out ReadOnlySpan<byte> found)
    {
        found = default;
        while (value.IndexOf((byte)';') is >= 0 and var semicolon)
        {
            value = value[(semicolon + 1)..].TrimStart(" \t"u8);
            int nameEnd = value.IndexOfAny((byte)'=', (byte)';');
            if (nameEnd < 0) return false;
            // Without a value it is not a parameter; the next one follows.
            if (value[nameEnd] == (byte)';') continue;
            bool named = Ascii.EqualsIgnoreCase(value[..nameEnd], name);
            value = value[(nameEnd + 1)..];
            bool quoted = value.StartsWith("\""u8);
            if (quoted) value = value[1..];
            int end = quoted ? value.IndexOf((byte)'"') : value.IndexOfAny((byte)';', (byte)' ');
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
