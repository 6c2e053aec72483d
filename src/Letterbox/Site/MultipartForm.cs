// multipart/form-data, as a browser sends it for a form without files.
//
//   --boundary CRLF
//   Content-Disposition: form-data; name="username" CRLF
//   CRLF
//   value CRLF
//   --boundary-- CRLF                                        RFC 7578; RFC 2046 5.1
//
// Names are sent as they are, with `"`, CR and LF percent-encoded (HTML Standard, multipart/form-data
// encoding), so that the three names that count here can be compared as they stand. A part with a file name
// is a file: refused.

using System.Text;
using System.Text.Unicode;

namespace Letterbox.Site;

/// <summary>Decodes the content of a form into its fields. Pure: no I/O, no state.</summary>
internal static class MultipartForm
{
    private const int BoundaryMax = 70;
    private static readonly FieldFault s_broken = new("", "the form is not valid multipart/form-data");

    /// <summary>The boundary parameter of the media type; empty when there is none that is legal.</summary>
    public static ReadOnlySpan<byte> Boundary(ReadOnlySpan<byte> contentType)
    {
        ReadOnlySpan<byte> boundary = Parameter(contentType, "boundary"u8);
        return boundary.Length <= BoundaryMax ? boundary : default;
    }

    /// <summary>Reads the fields. Returns <c>null</c>, or what is wrong.</summary>
    public static FieldFault? Read(
        ReadOnlySpan<byte> content, ReadOnlySpan<byte> boundary, out MessageFields fields)
    {
        fields = default;
        if (boundary.IsEmpty) return s_broken;
        // With CRLF before the first delimiter too, every delimiter looks alike.
        byte[] delimiter = [(byte)'\r', (byte)'\n', (byte)'-', (byte)'-', .. boundary];
        if (!content.StartsWith(delimiter.AsSpan(2))) return s_broken;
        content = content[(delimiter.Length - 2)..];
        while (!content.StartsWith("--"u8))
        {
            if (!content.StartsWith("\r\n"u8)) return s_broken;
            int end = content.IndexOf(delimiter);
            if (end < 2) return s_broken;
            if (ReadPart(content[2..end], ref fields) is { } fault) return fault;
            content = content[(end + delimiter.Length)..];
        }

        return null;
    }

    private static FieldFault? ReadPart(ReadOnlySpan<byte> part, ref MessageFields fields)
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
            if (!Parameter(line, "filename"u8).IsEmpty) return new FieldFault("", "files are not taken here");
            name = Parameter(line, "name"u8);
        }

        string text = Encoding.UTF8.GetString(name);
        if (text is not ("id" or "username" or "message")) return null;
        return Utf8.IsValid(value)
            ? fields.Set(text, Encoding.UTF8.GetString(value))
            : new FieldFault(text, $"{text} is not valid UTF-8");
    }

    // *( OWS ";" OWS name "=" ( token / quoted-string ) )        RFC 9110 5.6.6
    private static ReadOnlySpan<byte> Parameter(ReadOnlySpan<byte> value, ReadOnlySpan<byte> name)
    {
        while (value.IndexOf((byte)';') is >= 0 and var semicolon)
        {
            value = value[(semicolon + 1)..].TrimStart(" \t"u8);
            int equals = value.IndexOf((byte)'=');
            if (equals < 0) return default;
            bool found = Ascii.EqualsIgnoreCase(value[..equals], name);
            value = value[(equals + 1)..];
            bool quoted = value.StartsWith("\""u8);
            if (quoted) value = value[1..];
            int end = quoted ? value.IndexOf((byte)'"') : value.IndexOfAny((byte)';', (byte)' ');
            if (quoted && end < 0) return default;
            if (found) return end < 0 ? value : value[..end];
            value = end < 0 ? default : value[end..];
        }

        return default;
    }
}
