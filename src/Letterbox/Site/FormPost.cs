// POST /message: from the content of the request to a message, on to the store, and from the receipt to the
// answer.
//
//   Stored    303 to the thank-you page
//   Refused   422, the form again
//   Later     503, the form again, same key
//   429       the same, when this client sends more than one client may: nothing is stored
//
// A form that came back carries the digest of its text (TextKey.cs). Sent again as it is, it goes under the
// key that it has; with another text it is another message, under the next key. When a different message has
// the key:
//
//   the key is ours, or the form came back     the next key, and the person is not asked
//   the first sending from a page              422, the form again under the next key: it may be "back" and
//                                              another text, and who has been thanked for one message should
//                                              know that this is a second one
//   a program's own key                        422: it has to know

using System.Buffers;
using System.Text;
using Letterbox.Http;
using Letterbox.Messages;

namespace Letterbox.Site;

internal static class FormPost
{
    /// <summary>
    /// Answers the POST. The request is read before the first wait: nothing of it is touched afterwards.
    /// </summary>
    public static ValueTask<Response> AnswerAsync(
        Request request, Pages pages, Deliver deliver, Func<Request, int, TimeSpan> limit,
        TimeProvider time)
    {
        bool json = LetterboxSite.WantsJson(request);
        byte[] scratch = ArrayPool<byte>.Shared.Rent(request.Content.Length);
        try
        {
            if (!TryRead(request, scratch, out MessageFields fields, out FieldError? error))
                return new(pages.Error(415, "A message is sent as a form or as JSON.", json, s_acceptPost));
            Message? message = null;
            error ??= fields.ToMessage(time, out message);
            if (error is not null) return new(pages.Unprocessable(fields, error, json));
            bool cameBack = !fields.TextDigest.IsEmpty;
            bool changed = cameBack && !TextKey.Of(message!).IsDigest(fields.TextDigest);
            if (changed) message = UnderNextKey(message!);
            TimeSpan wait = limit(request, message!.StoredBytes);
            if (wait > TimeSpan.Zero) return new(pages.TooMuch(message, wait, json));
            return DeliverAsync(message!, cameBack || message!.HasServerKey, pages, deliver, json);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    // Who takes one next key knows the text, and could take the one after it for ever.
    private const int NextKeysMax = 4;

    private static ReadOnlySpan<byte> UrlEncoded => "application/x-www-form-urlencoded"u8;

    private static readonly (string, string) s_acceptPost = (
        "Accept-Post", "application/x-www-form-urlencoded, multipart/form-data, application/json");

    // False: the content has a media type that is not taken here.
    private static bool TryRead(
        Request request, byte[] scratch, out MessageFields fields, out FieldError? error)
    {
        fields = default;
        error = null;
        ReadOnlySpan<byte> content = request.Content;
        // A client that names no media type means the one of HTML forms.
        if (!request.TryGetField("content-type"u8, out ReadOnlySpan<byte> type)) type = UrlEncoded;
        int end = type.IndexOf((byte)';');
        ReadOnlySpan<byte> name = (end < 0 ? type : type[..end]).Trim(" \t"u8);
        if (Ascii.EqualsIgnoreCase(name, UrlEncoded))
            error = MessageFields.ReadForm(content, scratch, out fields);
        else if (Ascii.EqualsIgnoreCase(name, "application/json"u8))
            error = MessageFields.ReadJson(content, scratch, out fields);
        else if (Ascii.EqualsIgnoreCase(name, "multipart/form-data"u8))
            error = MultipartForm.Read(content, MultipartForm.Boundary(type), out fields);
        else return false;
        return true;
    }

    private static Message UnderNextKey(Message message) => message.WithId(TextKey.Of(message).Next);

    private static async ValueTask<Response> DeliverAsync(
        Message message, bool anyKeyWillDo, Pages pages, Deliver deliver, bool json)
    {
        Receipt receipt = await deliver(message);
        for (int left = NextKeysMax; receipt.IsTaken && anyKeyWillDo && left > 0; left--)
        {
            message = UnderNextKey(message);
            receipt = await deliver(message);
        }

        return receipt.Kind switch
        {
            ReceiptKind.Stored => Pages.Stored(receipt.Id, json),
            ReceiptKind.Rejected when receipt.IsTaken && !json => pages.NewMessage(UnderNextKey(message)),
            ReceiptKind.Rejected => pages.Unprocessable(message, receipt.Reason, json),
            _ => pages.Unavailable(message, receipt.Reason, json),
        };
    }
}
