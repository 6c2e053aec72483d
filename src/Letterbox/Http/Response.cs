// An answer, ready to be sent: its head as bytes, but for the lines that differ from one sending to the next
// (Date, Connection), and its content. Pages make theirs once and send them a million times.

using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace Letterbox.Http;

/// <summary>
/// Writes the next part of a content into the buffer, and tells its length, 0 at the end: for content that
/// takes less memory before it is written than after.
/// </summary>
public delegate int ContentWriter(Span<byte> buffer);

/// <summary>
/// One answer. Immutable, may be sent on many connections at once, but for one with a <see cref="Writer"/>.
/// </summary>
public sealed class Response
{
    // The status line without its reason, and the line of the length: 15 bytes and 30, at most.
    private const int FixedMax = 48;

    private Response(int status, ReadOnlyMemory<byte> head, ReadOnlyMemory<byte> content) =>
        (Status, Head, Content, BytesHeld) = (status, head, content, content.Length);

    /// <summary>The status code.</summary>
    public int Status { get; }

    /// <summary>Status line and field lines, without Date, Connection and the empty line.</summary>
    public ReadOnlyMemory<byte> Head { get; }

    /// <summary>The content; not sent in answer to HEAD.</summary>
    public ReadOnlyMemory<byte> Content { get; }

    /// <summary>Writes the content while it is sent, if it does not stand in <see cref="Content"/>.</summary>
    public ContentWriter? Writer { get; private init; }

    /// <summary>Bytes of memory that the content takes until it is sent.</summary>
    public int BytesHeld { get; private init; }

    /// <summary>Makes an answer whose content is written while it is sent.</summary>
    /// <param name="status">A final status code that has content.</param>
    /// <param name="fields">Names and values, in the order in which they are sent.</param>
    /// <param name="length">Bytes of the content.</param>
    /// <param name="writer">Writes as many.</param>
    /// <param name="bytesHeld">Bytes of memory that the writer holds.</param>
    public static Response Create(
        int status, ReadOnlySpan<(string Name, string Value)> fields, int length, ContentWriter writer,
        int bytesHeld) =>
        new(status, MakeHead(status, fields, length), default) { Writer = writer, BytesHeld = bytesHeld };

    /// <summary>Makes an answer; with Content-Length, but for 204 and 304.</summary>
    /// <param name="status">A final status code.</param>
    /// <param name="fields">Names and values, in the order in which they are sent.</param>
    /// <param name="content">The content; kept, not copied.</param>
    /// <exception cref="ArgumentException">A name or a value holds what would break the line it stands
    /// on.</exception>
    public static Response Create(
        int status, ReadOnlySpan<(string Name, string Value)> fields, ReadOnlyMemory<byte> content = default)
    {
        bool never = status is 204 or 304;
        if (never && !content.IsEmpty)
            throw new ArgumentException($"{status} has no content", nameof(content));
        return new Response(status, MakeHead(status, fields, never ? null : content.Length), content);
    }

    private static ReadOnlyMemory<byte> MakeHead(
        int status, ReadOnlySpan<(string Name, string Value)> fields, int? contentLength)
    {
        string reason = Reason(status);
        int room = FixedMax + reason.Length;
        foreach ((string name, string value) in fields)
            room += Encoding.UTF8.GetByteCount(name) + Encoding.UTF8.GetByteCount(value) + 4;
        byte[] head = new byte[room];
        Utf8.TryWrite(head, CultureInfo.InvariantCulture, $"HTTP/1.1 {status} {reason}\r\n", out int length);
        foreach ((string name, string value) in fields)
            length += WriteField(name, value, head.AsSpan(length));
        if (contentLength is null) return head.AsMemory(0, length);
        Utf8.TryWrite(
            head.AsSpan(length), CultureInfo.InvariantCulture, $"Content-Length: {contentLength.Value}\r\n",
            out int last);
        return head.AsMemory(0, length + last);
    }

    /// <summary>
    /// The same answer with another value at this place of its head, as long as what stands there: for an
    /// answer that is made once but for a number.
    /// </summary>
    /// <exception cref="ArgumentException">It holds what would break the line it stands on.</exception>
    public Response With(int place, ReadOnlySpan<byte> value)
    {
        if (!Grammar.IsFieldValue(value)) throw new ArgumentException("no field value", nameof(value));
        byte[] head = Head.ToArray();
        value.CopyTo(head.AsSpan(place));
        return new Response(Status, head, Content);
    }

    private static int WriteField(string name, string value, Span<byte> line)
    {
        int end = Encoding.UTF8.GetBytes(name, line);
        int start = end + 2;
        ": "u8.CopyTo(line[end..]);
        int length = Encoding.UTF8.GetBytes(value, line[start..]);
        if (!Grammar.IsToken(line[..end]) || !Grammar.IsFieldValue(line.Slice(start, length)))
            throw new ArgumentException($"the field {name} cannot be sent with this value", nameof(value));
        "\r\n"u8.CopyTo(line[(start + length)..]);
        return start + length + 2;
    }

    /// <summary>The reason phrase that RFC 9110 and its companions give the status.</summary>
    public static string Reason(int status) => status switch
    {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    };
}
