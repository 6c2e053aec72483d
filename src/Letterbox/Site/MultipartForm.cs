// multipart/form-data, as a browser sends it for a form without files.
//
//   [ preamble CRLF ]
//   --boundary *( SP / HTAB ) CRLF
//   Content-Disposition: form-data; name="username" CRLF
//   CRLF
//   value CRLF
//   --boundary-- [ CRLF epilogue ]                              RFC 7578; RFC 2046 5.1.1
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

    // Deprecated in forms (RFC 7578 4.7). Base64 and quoted-printable are rejected, not decoded.
    private static readonly FieldError s_encoded =
        new("", "text is accepted as it is, not in a Content-Transfer-Encoding") { IsUnsupported = true };

    // Returns null, or what is wrong.
    public static FieldError? Read(
        ReadOnlySpan<byte> content, ReadOnlySpan<byte> contentType, out MessageFields fields)
    {
        fields = default;
        FieldParameters.TryGet(contentType, "boundary"u8, out ReadOnlySpan<byte> boundary);
        if (boundary.Length is 0 or > BoundaryMax) return s_broken;
        // The CRLF before a delimiter belongs to it; at the start of the content it may be missing.
        byte[] delimiter = [(byte)'\r', (byte)'\n', (byte)'-', (byte)'-', .. boundary];
        int first = content.StartsWith(delimiter.AsSpan(2)) ? -2 : content.IndexOf(delimiter);
        if (first == -1) return s_broken;
        content = content[(first + delimiter.Length)..];
        while (!content.StartsWith("--"u8))
        {
            content = content.TrimStart(" \t"u8);
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
        MessageField field = MessageField.None;
        FieldError? unsupported = null;
        while (NextLine(ref head, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> line))
        {
            if (Ascii.EqualsIgnoreCase(name, "content-type"u8))
            {
                if (HasOtherCharset(line)) unsupported = MessageFields.OtherCharset;
            }
            else if (Ascii.EqualsIgnoreCase(name, "content-transfer-encoding"u8))
            {
                if (!IsIdentity(line)) unsupported = s_encoded;
            }
            else if (Ascii.EqualsIgnoreCase(name, "content-disposition"u8))
            {
                if (FieldParameters.TryGet(line, "filename"u8, out ReadOnlySpan<byte> file)
                    | FieldParameters.TryGet(line, "filename*"u8, out ReadOnlySpan<byte> encoded))
                {
                    bool chosen = !(file.IsEmpty && encoded.IsEmpty && value.IsEmpty);
                    return chosen ? s_file : null;
                }

                FieldParameters.TryGet(line, "name"u8, out ReadOnlySpan<byte> named);
                field = MessageFields.Named(named);
            }
        }

        return field == MessageField.None ? null : unsupported ?? fields.Set(field, value);
    }

    /// <summary>Whether a media type names a charset other than UTF-8.</summary>
    public static bool HasOtherCharset(ReadOnlySpan<byte> mediaType) =>
        FieldParameters.TryGet(mediaType, "charset"u8, out ReadOnlySpan<byte> charset)
        && !MessageFields.IsUtf8(charset);

    // The encodings that change nothing (RFC 2045 6.2).
    private static bool IsIdentity(ReadOnlySpan<byte> encoding) =>
        Ascii.EqualsIgnoreCase(encoding, "8bit"u8) || Ascii.EqualsIgnoreCase(encoding, "7bit"u8)
        || Ascii.EqualsIgnoreCase(encoding, "binary"u8);

    // Takes the next field line of a part; a line that begins with white space continues the one before.
    private static bool NextLine(
        ref ReadOnlySpan<byte> head, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        name = value = default;
        if (head.IsEmpty) return false;
        int end = -1;
        do end = head[(end + 1)..].IndexOf("\r\n"u8) is >= 0 and var next ? end + 1 + next : head.Length;
        while (end + 2 < head.Length && head[end + 2] is (byte)' ' or (byte)'\t');
        ReadOnlySpan<byte> line = head[..end];
        head = end == head.Length ? default : head[(end + 2)..];
        int colon = Math.Max(0, line.IndexOf((byte)':'));
        name = line[..colon];
        value = line[colon..].TrimStart(": \t"u8).TrimEnd(" \t"u8);
        return true;
    }
}
