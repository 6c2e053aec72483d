// POST /message: from the content of the request to a message, on to the store, and from the receipt to the
// answer.
//
//   Stored    303 to the thank-you page
//   Refused   422, the form again
//   Later     503, the form again, same key

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
        FieldFault? fault = Read(request, out MessageFields fields);
        if (fault?.Field == MediaType) return new(pages.Error(415, fault.Reason, json, s_acceptPost));
        Message? message = null;
        fault ??= fields.ToMessage(time, out message);
        return fault is null
            ? DeliverAsync(message!, fields, pages, deliver, json)
            : new(pages.Unprocessable(fields, fault, json));
    }

    // Marks a fault of the request's media type, which is no fault of a field.
    private const string MediaType = "content-type";

    private static readonly (string, string) s_acceptPost = (
        "Accept-Post", "application/x-www-form-urlencoded, multipart/form-data, application/json");

    private static FieldFault? Read(Request request, out MessageFields fields)
    {
        // A client that names no media type means the one of HTML forms.
        if (!request.TryGetField("content-type"u8, out ReadOnlySpan<byte> type))
            return MessageFields.ReadForm(request.Content, out fields);
        int end = type.IndexOf((byte)';');
        ReadOnlySpan<byte> name = (end < 0 ? type : type[..end]).Trim(" \t"u8);
        if (Ascii.EqualsIgnoreCase(name, "application/x-www-form-urlencoded"u8))
            return MessageFields.ReadForm(request.Content, out fields);
        if (Ascii.EqualsIgnoreCase(name, "application/json"u8))
            return MessageFields.ReadJson(request.Content, out fields);
        if (Ascii.EqualsIgnoreCase(name, "multipart/form-data"u8))
            return MultipartForm.Read(request.Content, MultipartForm.Boundary(type), out fields);
        fields = default;
        return new FieldFault(MediaType, "A message is sent as a form or as JSON.");
    }

    private static async ValueTask<Response> DeliverAsync(
        Message message, MessageFields fields, Pages pages, Deliver deliver, bool json)
    {
        Receipt receipt = await deliver(message);
        return receipt.Kind switch
        {
            ReceiptKind.Stored => Pages.Stored(receipt.Id, json),
            ReceiptKind.Refused => pages.Unprocessable(fields, new FieldFault("", receipt.Reason), json),
            _ => pages.Unavailable(fields, message.Id, receipt.Reason, json),
        };
    }
}
