// POST /message: from the content of the request to a message, on to the store, and from the receipt to the
// answer.
//
//   Stored    303 to the thank-you page
//   Refused   422, the form again
//   Later     503, the form again, same key

using System.Buffers;
using System.Text;
using Letterbox.Http;

namespace Letterbox.Site;

internal static class FormPost
{
    /// <summary>
    /// Answers the POST. The request is read before the first wait: nothing of it is touched afterwards.
    /// </summary>
    public static ValueTask<Response> AnswerAsync(
        Request request, Pages pages, Deliver deliver, TimeProvider time)
    {
        bool json = LetterboxSite.WantsJson(request);
        byte[] scratch = ArrayPool<byte>.Shared.Rent(request.Content.Length);
        try
        {
            if (!TryRead(request, scratch, out MessageFields fields, out FieldFault? fault))
                return new(pages.Error(415, "A message is sent as a form or as JSON.", json, s_acceptPost));
            Message? message = null;
            fault ??= fields.ToMessage(time, out message);
            if (fault is null) return DeliverAsync(message!, pages, deliver, json);
            string username = Encoding.UTF8.GetString(fields.Username);
            return new(pages.Unprocessable(username, Encoding.UTF8.GetString(fields.Text), fault, json));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    private static ReadOnlySpan<byte> UrlEncoded => "application/x-www-form-urlencoded"u8;

    private static readonly (string, string) s_acceptPost = (
        "Accept-Post", "application/x-www-form-urlencoded, multipart/form-data, application/json");

    // False: the content has a media type that is not taken here.
    private static bool TryRead(
        Request request, byte[] scratch, out MessageFields fields, out FieldFault? fault)
    {
        fields = default;
        fault = null;
        ReadOnlySpan<byte> content = request.Content;
        // A client that names no media type means the one of HTML forms.
        if (!request.TryGetField("content-type"u8, out ReadOnlySpan<byte> type)) type = UrlEncoded;
        int end = type.IndexOf((byte)';');
        ReadOnlySpan<byte> name = (end < 0 ? type : type[..end]).Trim(" \t"u8);
        if (Ascii.EqualsIgnoreCase(name, UrlEncoded))
            fault = MessageFields.ReadForm(content, scratch, out fields);
        else if (Ascii.EqualsIgnoreCase(name, "application/json"u8))
            fault = MessageFields.ReadJson(content, scratch, out fields);
        else if (Ascii.EqualsIgnoreCase(name, "multipart/form-data"u8))
            fault = MultipartForm.Read(content, MultipartForm.Boundary(type), out fields);
        else return false;
        return true;
    }

    private static async ValueTask<Response> DeliverAsync(
        Message message, Pages pages, Deliver deliver, bool json)
    {
        Receipt receipt = await deliver(message);
        return receipt.Kind switch
        {
            ReceiptKind.Stored => Pages.Stored(receipt.Id, json),
            ReceiptKind.Refused => pages.Unprocessable(
                message.Username, message.Text, new FieldFault("", receipt.Reason), json),
            _ => pages.Unavailable(message, receipt.Reason, json),
        };
    }
}
