// Every reason for which the engine itself rejects a request: the one table from reason to status. After each
// of them the connection is closed: what follows ambiguous framing must never be read.

namespace Letterbox.Http;

internal enum Rejection
{
    None, BareLineFeed, RequestLine, Version, Target, MethodTooLong, RequestLineTooLong, FieldName,
    FieldValue, ObsoleteFold, FieldsTooLarge, Host, ContentLength, TransferEncoding, TransferCoding,
    ContentTooLarge, Chunk, Expectation, ContentType, ContentCoding, ContentRange, Timeout, Overload,
}

internal static class Rejections
{
    // Field lines that the response has because of the reason.
    public static (string Name, string Value)[] Fields(Rejection reason) =>
        reason == Rejection.ContentCoding ? [("Accept-Encoding", "identity")] : [];

    /// <summary>Status, the RFC section that permits the rejection, and a sentence for the user.</summary>
    public static (int Status, string Section, string Text) Of(Rejection reason) => reason switch
    {
        Rejection.BareLineFeed => (400, "RFC 9112 2.2", "A line of the request ends in LF without CR."),
        Rejection.RequestLine => (400, "RFC 9112 3", "The request line is malformed."),
        Rejection.Version => (505, "RFC 9110 15.6.6", "This server supports HTTP/1.1."),
        Rejection.Target => (400, "RFC 9112 3.2", "The request target is malformed."),
        Rejection.MethodTooLong =>
            (501, "RFC 9112 3", "This server does not support the method of the request."),
        Rejection.RequestLineTooLong => (414, "RFC 9112 3", "The request line is too long."),
        Rejection.FieldName => (400, "RFC 9112 5.1", "A field line has no valid name."),
        Rejection.FieldValue => (400, "RFC 9110 5.5", "A field value contains a control character."),
        Rejection.ObsoleteFold => (400, "RFC 9112 5.2", "A field line starts with white space."),
        Rejection.FieldsTooLarge => (431, "RFC 6585 5", "The request's field lines are too large."),
        Rejection.Host => (400, "RFC 9112 3.2", "Host must be given once and name a host."),
        Rejection.ContentLength => (400, "RFC 9112 6.3", "Content-Length must be one number."),
        Rejection.TransferEncoding =>
            (400, "RFC 9112 6.1", "Transfer-Encoding and its framing contradict each other."),
        Rejection.TransferCoding => (501, "RFC 9112 6.1", "The only supported transfer coding is chunked."),
        Rejection.ContentTooLarge => (413, "RFC 9110 15.5.14", "The request's content is too large."),
        Rejection.Chunk => (400, "RFC 9112 7.1", "The chunked content is malformed."),
        Rejection.Expectation => (417, "RFC 9110 10.1.1", "The only supported expectation is 100-continue."),
        Rejection.ContentType => (400, "RFC 9110 8.3", "Content-Type must be given once."),
        Rejection.ContentCoding =>
            (415, "RFC 9110 15.5.16", "The request's content must be sent without a content coding."),
        Rejection.ContentRange => (400, "RFC 9110 14.5", "A part of a content cannot be sent."),
        Rejection.Timeout => (408, "RFC 9110 15.5.9", "The request took too long to arrive."),
        Rejection.Overload =>
            (503, "RFC 9110 15.6.4", "Too many connections are open. Please try again in a moment."),
        _ => throw new ArgumentOutOfRangeException(nameof(reason)),
    };
}
