// Every reason for which the engine itself refuses a request: the one table from reason to status.
// After each of them the connection is closed: framing that is in doubt must never be read on.

namespace Letterbox.Http;

/// <summary>Why a request was refused before any handler saw it.</summary>
public enum Rejection
{
    /// <summary>Not refused.</summary>
    None,

    /// <summary>A line of the head ends without CR.</summary>
    BareLineFeed,

    /// <summary>The request line is not method SP target SP version.</summary>
    RequestLine,

    /// <summary>The version is neither 1.0 nor 1.1 to 1.9.</summary>
    Version,

    /// <summary>The target has none of the four forms, or one that does not go with the method.</summary>
    Target,

    /// <summary>The request line is too long.</summary>
    RequestLineTooLong,

    /// <summary>A field line has no token before its colon.</summary>
    FieldName,

    /// <summary>A field value holds a control character.</summary>
    FieldValue,

    /// <summary>A field line starts with white space.</summary>
    ObsoleteFold,

    /// <summary>A field line, or the head, is too long, or there are too many lines.</summary>
    FieldsTooLarge,

    /// <summary>Host is missing, repeated or not a host.</summary>
    Host,

    /// <summary>Content-Length is not a number, or repeated.</summary>
    ContentLength,

    /// <summary>Transfer-Encoding together with Content-Length, or in HTTP/1.0, or not ending in one chunked.</summary>
    TransferEncoding,

    /// <summary>A transfer coding other than chunked.</summary>
    TransferCoding,

    /// <summary>The content is longer than is taken here.</summary>
    ContentTooLarge,

    /// <summary>The chunked framing is broken.</summary>
    Chunk,

    /// <summary>An expectation other than 100-continue.</summary>
    Expectation,

    /// <summary>The request did not come in time.</summary>
    Timeout,

    /// <summary>Too many connections.</summary>
    Overload,
}

/// <summary>The table.</summary>
public static class Rejections
{
    /// <summary>Status, RFC section that gives the right to refuse, and a sentence for the person.</summary>
    public static (int Status, string Section, string Text) Of(Rejection reason) => reason switch
    {
        Rejection.BareLineFeed => (400, "RFC 9112 2.2", "A line of the request ends in LF without CR."),
        Rejection.RequestLine => (400, "RFC 9112 3", "The request line is malformed."),
        Rejection.Version => (505, "RFC 9110 15.6.6", "This server speaks HTTP/1.1."),
        Rejection.Target => (400, "RFC 9112 3.2", "The request target is malformed."),
        Rejection.RequestLineTooLong => (414, "RFC 9112 3", "The request line is too long."),
        Rejection.FieldName => (400, "RFC 9112 5.1", "A field line has no proper name."),
        Rejection.FieldValue => (400, "RFC 9110 5.5", "A field value holds a control character."),
        Rejection.ObsoleteFold => (400, "RFC 9112 5.2", "A field line starts with white space."),
        Rejection.FieldsTooLarge => (431, "RFC 6585 5", "The request's field lines are too large."),
        Rejection.Host => (400, "RFC 9112 3.2", "Host must be given once and name a host."),
        Rejection.ContentLength => (400, "RFC 9112 6.3", "Content-Length must be one number."),
        Rejection.TransferEncoding => (400, "RFC 9112 6.1", "Transfer-Encoding and its framing contradict each other."),
        Rejection.TransferCoding => (501, "RFC 9112 6.1", "The only transfer coding read here is chunked."),
        Rejection.ContentTooLarge => (413, "RFC 9110 15.5.14", "The request's content is too large."),
        Rejection.Chunk => (400, "RFC 9112 7.1", "The chunked content is malformed."),
        Rejection.Expectation => (417, "RFC 9110 10.1.1", "The only expectation met here is 100-continue."),
        Rejection.Timeout => (408, "RFC 9110 15.5.9", "The request took too long to arrive."),
        Rejection.Overload => (503, "RFC 9110 15.6.4", "Too many connections are open. Please try again in a moment."),
        _ => throw new ArgumentOutOfRangeException(nameof(reason)),
    };
}
