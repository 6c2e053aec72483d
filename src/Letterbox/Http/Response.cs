// An answer, ready to be sent: its head as bytes, but for the lines that differ from one sending to the next
// (Date, Connection), and its content. Pages make theirs once and send them a million times.

using System.Globalization;
using System.Text;

namespace Letterbox.Http;

/// <summary>One answer. Immutable, may be sent on many connections at once.</summary>
public sealed class Response
{
    private Response(int status, byte[] head, ReadOnlyMemory<byte> content) =>
        (Status, Head, Content) = (status, head, content);

    /// <summary>The status code.</summary>
    public int Status { get; }

    /// <summary>Status line and field lines, without Date, Connection and the empty line.</summary>
    public ReadOnlyMemory<byte> Head { get; }

    /// <summary>The content; not sent in answer to HEAD.</summary>
    public ReadOnlyMemory<byte> Content { get; }

    /// <summary>Makes an answer; with Content-Length, but for 204 and 304.</summary>
    /// <param name="status">A final status code.</param>
    /// <param name="fields">Names and values, in the order in which they are sent.</param>
    /// <param name="content">The content; kept, not copied.</param>
    /// <exception cref="ArgumentException">A name or a value holds what would break the line it stands
    /// on.</exception>
    public static Response Create(
        int status, ReadOnlySpan<(string Name, string Value)> fields, ReadOnlyMemory<byte> content = default)
    {
        var head = new StringBuilder(256);
        head.Append(CultureInfo.InvariantCulture, $"HTTP/1.1 {status} {Reason(status)}\r\n");
        foreach ((string name, string value) in fields)
        {
            bool sound = Grammar.IsToken(Encoding.UTF8.GetBytes(name))
                && Grammar.IsFieldValue(Encoding.UTF8.GetBytes(value));
            if (!sound)
                throw new ArgumentException(
                    $"the field {name} cannot be sent with this value", nameof(fields));
            head.Append(name).Append(": ").Append(value).Append("\r\n");
        }

        bool never = status is 204 or 304;
        if (never && !content.IsEmpty)
            throw new ArgumentException($"{status} has no content", nameof(content));
        if (!never) head.Append(CultureInfo.InvariantCulture, $"Content-Length: {content.Length}\r\n");
        return new Response(status, Encoding.UTF8.GetBytes(head.ToString()), content);
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
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    };
}
