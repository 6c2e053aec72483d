// A response: its head as bytes, except the lines that differ from one sending to the next (Date,
// Connection), and its content. Those of static files are made once and sent many times.

using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace Letterbox.Http;

// Writes the next part of a content into the buffer and returns its length, 0 at the end: for content that
// takes less memory before it is written than after.
internal delegate int ContentWriter(Span<byte> buffer);

/// <summary>Immutable; without a <see cref="Writer"/> it may be sent on many connections at once.</summary>
internal sealed class Response
{
    // The status line without its reason, and the Content-Length line: at most 15 and 30 bytes.
    private const int FixedMax = 48;

    private Response(int status, ReadOnlyMemory<byte> head, ReadOnlyMemory<byte> content) =>
        (Status, Head, Content, BytesHeld) = (status, head, content, content.Length);

    public int Status { get; }

    // Status line and field lines, without Date, Connection and the empty line.
    public ReadOnlyMemory<byte> Head { get; }

    // Not sent in response to HEAD.
    public ReadOnlyMemory<byte> Content { get; }

    // Writes the content while it is sent, if it is not in Content.
    public ContentWriter? Writer { get; private init; }

    // Memory that the content takes until it is sent.
    public int BytesHeld { get; private init; }

    /// <summary>A response whose content is written while it is sent.</summary>
    public static Response Create(
        int status, ReadOnlySpan<(string Name, string Value)> fields, int length, ContentWriter writer,
        int bytesHeld) =>
        new(status, MakeHead(status, fields, length), default) { Writer = writer, BytesHeld = bytesHeld };

    /// <summary>With Content-Length, except 204 and 304. The content is not copied.</summary>
    /// <exception cref="ArgumentException">A name or value contains what its line must not.</exception>
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
        int size = FixedMax + reason.Length;
        foreach ((string name, string value) in fields)
            size += Encoding.UTF8.GetByteCount(name) + Encoding.UTF8.GetByteCount(value) + 4;
        byte[] head = new byte[size];
        Utf8.TryWrite(head, CultureInfo.InvariantCulture, $"HTTP/1.1 {status} {reason}\r\n", out int length);
        foreach ((string name, string value) in fields)
            length += WriteField(name, value, head.AsSpan(length));
        if (contentLength is null) return head.AsMemory(0, length);
        Utf8.TryWrite(
            head.AsSpan(length), CultureInfo.InvariantCulture, $"Content-Length: {contentLength.Value}\r\n",
            out int last);
        return head.AsMemory(0, length + last);
    }

    /// <summary>A copy whose head has another value, of the same length, at this offset.</summary>
    /// <exception cref="ArgumentException">The value contains what its line must not.</exception>
    public Response With(int offset, ReadOnlySpan<byte> value)
    {
        if (!Grammar.IsFieldValue(value)) throw new ArgumentException("not a field value", nameof(value));
        byte[] head = Head.ToArray();
        value.CopyTo(head.AsSpan(offset));
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

    // The reason phrase of the registered status codes.
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
