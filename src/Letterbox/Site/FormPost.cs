// POST /message: from the content of the request to a message, to the store, and from the receipt to the
// response.
//
//   Stored     303 to the receipt; 201 for programs
//   Rejected   422, the form again
//   Later      503, the form again, same key
//   429        the same, if the client exceeds its rate: nothing is stored
//   415        neither a form nor JSON, or not in UTF-8
//
// A form that was returned with an error carries the digest of its text (TextKey.cs). Sent again unchanged,
// it keeps its key; with another text it is another message, under the next key. If a different message
// already has the key:
//
//   generated here, or a returned form    the next key is used, without asking the user
//   the first submission of a page        422, the form again under the next key: the user may have gone
//                                         back and changed the text, and should know that it is a second
//                                         message
//   chosen by a program                   422: the program must choose another

using System.Buffers;
using System.Text;
using Letterbox.Http;
using Letterbox.Messages;

namespace Letterbox.Site;

internal static class FormPost
{
    // The request is read before the first wait, and not used afterwards.
    public static ValueTask<Response> AnswerAsync(
        Request request, Pages pages, Deliver deliver, Func<Request, int, TimeSpan> limit,
        TimeProvider time)
    {
        bool json = LetterboxSite.WantsJson(request);
        byte[] scratch = ArrayPool<byte>.Shared.Rent(request.Content.Length);
        try
        {
            FieldError? unreadable = Read(request, scratch, out MessageFields fields);
            if (unreadable is { IsUnsupported: true })
                return new(pages.Error(415, Pages.Sentence(unreadable.Reason), json, s_accept));
            if (unreadable is not null) return new(pages.Unprocessable(fields, [unreadable], json));
            if (fields.ToMessage(time, out Message? message) is not null)
                return new(pages.Unprocessable(fields, fields.Errors(), json));
            bool returned = !fields.TextDigest.IsEmpty;
            bool changed = returned && !TextKey.Of(message!).IsDigest(fields.TextDigest);
            if (changed) message = UnderNextKey(message!);
            TimeSpan wait = limit(request, message!.StoredBytes);
            if (wait > TimeSpan.Zero) return new(pages.RateLimited(message!, wait, json));
            return DeliverAsync(message!, returned || message!.HasServerKey, pages, deliver, json);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    // An attacker who occupies one next key knows the text, and could occupy all that follow.
    private const int NextKeysMax = 4;

    private static ReadOnlySpan<byte> UrlEncoded => "application/x-www-form-urlencoded"u8;

    private const string MediaTypes =
        "application/x-www-form-urlencoded, multipart/form-data, application/json";

    // RFC 9110 15.5.16 and the W3C's Accept-Post.
    private static readonly (string, string)[] s_accept =
        [("Accept", MediaTypes), ("Accept-Post", MediaTypes)];

    private static readonly FieldError s_otherType =
        new("", "messages are accepted as forms or JSON") { IsUnsupported = true };

    private static FieldError? Read(Request request, byte[] scratch, out MessageFields fields)
    {
        fields = default;
        ReadOnlySpan<byte> content = request.Content;
        // The default is the media type of HTML forms.
        if (!request.TryGetField("content-type"u8, out ReadOnlySpan<byte> type)) type = UrlEncoded;
        int end = type.IndexOf((byte)';');
        ReadOnlySpan<byte> name = (end < 0 ? type : type[..end]).Trim(" \t"u8);
        if (MultipartForm.HasOtherCharset(type)) return MessageFields.OtherCharset;
        if (Ascii.EqualsIgnoreCase(name, UrlEncoded))
            return MessageFields.ReadForm(content, scratch, out fields);
        if (Ascii.EqualsIgnoreCase(name, "application/json"u8))
            return MessageFields.ReadJson(content, scratch, out fields);
        return Ascii.EqualsIgnoreCase(name, "multipart/form-data"u8)
            ? MultipartForm.Read(content, type, out fields)
            : s_otherType;
    }

    private static Message UnderNextKey(Message message) => message.WithId(TextKey.Of(message).Next);

    private static async ValueTask<Response> DeliverAsync(
        Message message, bool anyKey, Pages pages, Deliver deliver, bool json)
    {
        Receipt receipt = await deliver(message);
        for (int left = NextKeysMax; receipt.IsTaken && anyKey && left > 0; left--)
        {
            message = UnderNextKey(message);
            receipt = await deliver(message);
        }

        return receipt.Kind switch
        {
            ReceiptKind.Stored => pages.Stored(receipt.Id, json),
            ReceiptKind.Rejected when receipt.IsTaken && !json => pages.NewMessage(UnderNextKey(message)),
            ReceiptKind.Rejected => pages.Unprocessable(message, receipt.Reason, json),
            _ => pages.Unavailable(message, receipt.MaybeStored, json),
        };
    }
}
