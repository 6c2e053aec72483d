// The pages that are rendered per request: the form, the thank-you page, the error page; and their JSON
// equivalents (RFC 9457) for clients that asked for JSON.

using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Letterbox.Http;
using Letterbox.Messages;

namespace Letterbox.Site;

/// <summary>Thread-safe.</summary>
internal sealed class Pages
{
    private const string Html = "text/html; charset=utf-8";

    // Seconds.
    private static readonly (string, string) s_retryAfter = ("Retry-After", "5");

    // Made once; each message replaces the key.
    private static readonly Response s_stored = Response.Create(
        303, [("Location", ReceiptOf(default)), ResponseFields.NoStore, ResponseFields.NoSniff]);

    private static readonly int s_storedId =
        s_stored.Head.Span.IndexOf(Encoding.ASCII.GetBytes(default(MessageKey).ToString()));

    // Longer values are escaped while they are sent: escaped they take up to six times the memory.
    private const int EscapedWholeMax = 1024;

    private const string NoPage = "There is no page at this address.";

    private readonly SiteFiles _files;
    private readonly RecentReceipts _receipts;
    private readonly TimeProvider _time;
    private Response? _notFoundPage;

    public Pages(SiteFiles files, RecentReceipts receipts, TimeProvider time) =>
        (_files, _receipts, _time) = (files, receipts, time);

    // The most frequent error: made once.
    public Response NotFound(bool json) =>
        json ? Error(404, NoPage, json) : _notFoundPage ??= Error(404, NoPage, json);

    // The key of a message is made with the page on which it is written, so that a resend has the same key.
    public Response Form() => Form(200, MessageKey.New(_time), "", "", "", []);

    // 422: the form as it was sent, with the reason at each field. Under a fresh key, unless it was returned
    // before: then its first text may be stored under the old key.
    public Response Unprocessable(MessageFields fields, FieldError[] errors, bool json)
    {
        if (json) return Problem(422, string.Join("; ", errors.Select(static e => e.Reason)), errors, null);
        string digest = Encoding.UTF8.GetString(fields.TextDigest);
        if (digest.Length != TextKey.DigestLength || !MessageKey.TryParse(fields.Id, out MessageKey id))
        {
            id = MessageKey.New(_time);
            digest = TextKey.Of(id, fields.Username, fields.Text).Digest;
        }

        string username = Encoding.UTF8.GetString(fields.Username);
        return Form(422, id, digest, username, Encoding.UTF8.GetString(fields.Text), errors);
    }

    /// <summary>422: the store rejects this message, whatever its key.</summary>
    public Response Unprocessable(Message message, string reason, bool json) =>
        json ? Problem(422, reason, [], null) : Form(422, message.WithId(MessageKey.New(_time)), reason);

    /// <summary>422: another message has the key of the page; this one gets another key.</summary>
    public Response NewMessage(Message message) => Form(
        422, message,
        "You have already sent a message from this page; it is unchanged. The text below is a new message "
        + "and is not stored yet. Press Send once more to send it.");

    // 503. The reason concerns the operator, not the visitor: it is in the logs.
    public Response Unavailable(Message message, bool maybeStored, bool json) => Retry(
        503, message, s_retryAfter, json,
        maybeStored
            ? "We could not confirm just now that your message is stored. Your text is below; press Send "
                + "again in a moment. It will not be stored twice."
            : "We could not store your message just now. Your text is below; press Send again in a moment.");

    // 429: it is not stored.
    public Response RateLimited(Message message, TimeSpan wait, bool json) => Retry(
        429, message, ("Retry-After", $"{Math.Ceiling(wait.TotalSeconds)}"), json,
        "Your network has sent more than this site accepts at once. Your message is "
        + "not stored yet. Its text is below: press Send again in a moment.");

    // The receipt is the thank-you page: shown for a message that is stored, and for nothing else.
    public async ValueTask<Response> ReceiptAsync(MessageKey id, FindReceipt find, bool json)
    {
        FoundReceipt found = _receipts.Find(id) ?? await find(id);
        if (found.State == ReceiptState.Unknown)
            return Error(404, "There is no record, or none any more, of a message with this number.", json);
        if (!StoredMessage.TryParseDate(found.Date, out DateTime date))
            return Error(503, "We cannot look up this receipt just now. Please try again in a moment.", json);
        if (json) return Json(200, [], to => WriteReceipt(to, id, found));
        return Page(
            200, _files.Thanks, [ResponseFields.NoStore],
            ("receipt", id.ToString()),
            ("datetime", date.ToString("s", CultureInfo.InvariantCulture)),
            ("date", date.ToString("d MMMM yyyy, HH:mm", CultureInfo.InvariantCulture)));
    }

    // 303 to the receipt, so that a reload posts nothing (RFC 9110 15.4.4); for programs 201 and the receipt.
    public Response Stored(MessageKey id, bool json)
    {
        _receipts.Add(id);
        if (json && _receipts.Find(id) is { } stored)
            return Json(201, [("Location", ReceiptOf(id))], to => WriteReceipt(to, id, stored));
        Span<byte> hex = stackalloc byte[MessageKey.HexLength];
        id.WriteHex(hex);
        return s_stored.With(s_storedId, hex);
    }

    /// <summary>An error as a page or as a problem (RFC 9457).</summary>
    public Response Error(int status, string detail, bool json, params ReadOnlySpan<(string, string)> fields)
    {
        (string, string)[] lines = status == 503 ? [.. fields, s_retryAfter] : fields.ToArray();
        return json ? Problem(status, detail, [], null, lines) : Page(
            status, _files.Error, [ResponseFields.NoStore, .. lines],
            ("status", $"{status}"), ("title", Response.Reason(status)), ("detail", detail));
    }

    // The form as it was sent, under the same key, so that a resend is harmless.
    private Response Retry(
        int status, Message message, (string, string) retryAfter, bool json, string reason) =>
        json
            ? Problem(status, reason, [], message.Id.ToString(), retryAfter)
            : Form(status, message, reason, retryAfter);

    // Id: the key under which to send the message again.
    private static Response Problem(
        int status, string detail, FieldError[] errors, string? id,
        params ReadOnlySpan<(string, string)> fields) =>
        Json(
            status, fields,
            json =>
            {
                json.WriteString("type", "about:blank");
                json.WriteString("title", Response.Reason(status));
                json.WriteNumber("status", status);
                json.WriteString("detail", detail);
                if (id is not null) json.WriteString("id", id);
                if (errors.Length > 0) WriteErrors(json, errors);
            },
            "application/problem+json");

    private static void WriteErrors(Utf8JsonWriter json, FieldError[] errors)
    {
        json.WriteStartArray("errors");
        foreach (FieldError error in errors)
        {
            json.WriteStartObject();
            if (error.Field.Length > 0) json.WriteString("field", error.Field);
            json.WriteString("detail", error.Reason);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static Response Json(
        int status, ReadOnlySpan<(string, string)> fields, Action<Utf8JsonWriter> properties,
        string mediaType = "application/json")
    {
        var content = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(content))
        {
            json.WriteStartObject();
            properties(json);
            json.WriteEndObject();
        }

        return Response.Create(
            status, [("Content-Type", mediaType), ResponseFields.NoStore, ResponseFields.NoSniff, .. fields],
            content.WrittenMemory);
    }

    private static void WriteReceipt(Utf8JsonWriter json, MessageKey id, FoundReceipt stored)
    {
        json.WriteString("id", id.ToString());
        json.WriteString("date", stored.Date);
    }

    private static string ReceiptOf(MessageKey id) => $"/receipt/{id}";

    private Response Form(
        int status, Message message, string reason, params ReadOnlySpan<(string, string)> fields) => Form(
        status, message.Id, TextKey.Of(message).Digest, message.Username, message.Text,
        [new FieldError("", reason)], fields);

    private Response Form(
        int status, MessageKey id, string digest, string username, string text, FieldError[] errors,
        params ReadOnlySpan<(string, string)> fields)
    {
        FieldError? name = Array.Find(errors, static error => error.Field == "username");
        FieldError? message = Array.Find(errors, static error => error.Field == "message");
        FieldError? other = Array.Find(errors, error => error != name && error != message);
        string summary = errors.Length == 0 ? ""
            : other is null ? "Your message is not stored yet. Please correct what is marked below."
            : Sentence(other.Reason);
        // A placeholder in a tag stands for an attribute.
        const string focus = "autofocus";
        return Page(
            status, _files.Form,
            [status == 200 ? ResponseFields.ReuseOnBack : ResponseFields.NoStore, .. fields],
            ("id", id.ToString()), ("text-digest", digest), ("username", username), ("message", text),
            ("error", errors.Length == 0 ? "" : "Error: "), ("problem", summary),
            ("username-problem", name is null ? "" : Sentence($"Your name {name.Problem}")),
            ("message-problem", message is null ? "" : Sentence($"Your message {message.Problem}")),
            ("username-invalid", name is null ? "false" : "true"),
            ("message-invalid", message is null ? "false" : "true"),
            ("username-focus", name is not null && message is null ? focus : ""),
            ("message-focus", message is not null ? focus : ""));
    }

    private static Response Page(
        int status, Template template, ReadOnlySpan<(string, string)> fields,
        params ReadOnlySpan<(string, string)> values)
    {
        FilledTemplate page = template.Fill(values);
        ReadOnlySpan<(string, string)> lines =
        [
            ("Content-Type", Html), ResponseFields.NoSniff, ResponseFields.Referrer, template.Policy,
            .. fields,
        ];
        if (page.BytesHeld > EscapedWholeMax)
            return Response.Create(status, lines, page.Length, page.Write, page.BytesHeld);
        byte[] whole = new byte[page.Length];
        page.Write(whole);
        return Response.Create(status, lines, whole);
    }

    public static string Sentence(string reason)
    {
        if (reason.Length == 0) return "";
        return char.ToUpperInvariant(reason[0]) + reason[1..] + (reason[^1] is '.' or '!' or '?' ? "" : ".");
    }
}
