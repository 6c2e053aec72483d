// The fields of a message as they arrive, before any rule is applied: `id`, `username`, `message`, whatever
// the encoding.
//
// application/x-www-form-urlencoded (WHATWG URL Standard, 5.1):
//    id=<24 hex>&username=krabaton&message=First+message
// JSON (RFC 8259):
//    {"id": "<24 hex>", "username": "krabaton", "message": "First message"}
//
// Names other than the three are skipped, so that a form may have a button and another program its own
// extras. A name given twice is refused: two readers could disagree on which one counts. Decoding is pure: no
// I/O, no state.

using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Letterbox;

/// <summary>
/// The three fields as text; <c>null</c> where one was not given. A value type to be filled by a decoder.
/// </summary>
public struct MessageFields
{
    private static readonly FieldFault s_notUtf8 = new("", "the message is not valid UTF-8");
    private static readonly FieldFault s_badJson = new("", "the message is not valid JSON");
    private static readonly FieldFault s_notObject = new("", "the message is not a JSON object");

    /// <summary>The key as text, if the sender made one.</summary>
    public string? Id { get; set; }

    /// <summary>Field <c>username</c>.</summary>
    public string? Username { get; set; }

    /// <summary>Field <c>message</c>.</summary>
    public string? Text { get; set; }

    /// <summary>
    /// Decodes <c>application/x-www-form-urlencoded</c>. A percent sign that no two hex digits follow stands
    /// for itself, as the standard has it. Returns <c>null</c>, or what is wrong.
    /// </summary>
    public static FieldFault? ReadForm(ReadOnlySpan<byte> form, out MessageFields fields)
    {
        fields = default;
        byte[] scratch = ArrayPool<byte>.Shared.Rent(form.Length);
        try
        {
            while (!form.IsEmpty)
            {
                int end = form.IndexOf((byte)'&');
                ReadOnlySpan<byte> pair = end < 0 ? form : form[..end];
                form = end < 0 ? default : form[(end + 1)..];
                int equals = pair.IndexOf((byte)'=');
                ReadOnlySpan<byte> name = PercentDecode(equals < 0 ? pair : pair[..equals], scratch);
                string? known = KnownName(name);
                if (known is null) continue;
                ReadOnlySpan<byte> encoded = equals < 0 ? default : pair[(equals + 1)..];
                ReadOnlySpan<byte> value = PercentDecode(encoded, scratch);
                if (!Utf8.IsValid(value)) return new FieldFault(known, $"{known} is not valid UTF-8");
                if (fields.Set(known, Encoding.UTF8.GetString(value)) is { } fault) return fault;
            }

            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    /// <summary>
    /// Decodes one JSON object; the three fields must be strings. Returns <c>null</c>, or what is wrong.
    /// </summary>
    public static FieldFault? ReadJson(ReadOnlySpan<byte> json, out MessageFields fields)
    {
        fields = default;
        if (!Utf8.IsValid(json)) return s_notUtf8;
        try
        {
            var reader = new Utf8JsonReader(json);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return s_notObject;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string? known = KnownName(ref reader);
                reader.Read();
                if (known is null)
                {
                    reader.Skip();
                    continue;
                }

                if (reader.TokenType != JsonTokenType.String)
                    return new FieldFault(known, $"{known} is not a JSON string");
                if (fields.Set(known, reader.GetString()!) is { } fault) return fault;
            }

            // Reading on to the end is what finds text behind the closing brace.
            return reader.Read() ? s_badJson : null;
        }
        catch (JsonException)
        {
            return s_badJson;
        }
        catch (InvalidOperationException)
        {
            // An escape such as "\ud800" alone: valid JSON, no text.
            return new FieldFault("", "the message is not valid Unicode");
        }
    }

    /// <summary>
    /// Makes the message of these fields. A missing key is made here: then this is the message's first hop.
    /// Returns
    /// <c>null</c>, or what is wrong.
    /// </summary>
    public readonly FieldFault? ToMessage(TimeProvider time, out Message? message)
    {
        message = null;
        ObjectId id;
        if (Id is null) id = ObjectId.New(time);
        else if (!ObjectId.TryParse(Id, out id)) return new FieldFault("id", "id is not 24 hex digits");
        return Message.TryCreate(id, Username, Text, out message, out FieldFault? fault) ? null : fault;
    }

    /// <summary>
    /// Takes one decoded field in; other names are skipped. Returns <c>null</c>, or what is wrong.
    /// </summary>
    public FieldFault? Set(string name, string value)
    {
        bool twice = false;
        switch (name)
        {
            case "id": (twice, Id) = (Id is not null, value); break;
            case "username": (twice, Username) = (Username is not null, value); break;
            case "message": (twice, Text) = (Text is not null, value); break;
            default: break;
        }

        return twice ? new FieldFault(name, $"{name} is given twice") : null;
    }

    private static string? KnownName(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("username"u8) ? "username"
        : name.SequenceEqual("message"u8) ? "message"
        : name.SequenceEqual("id"u8) ? "id"
        : null;

    private static string? KnownName(ref Utf8JsonReader reader) =>
        reader.ValueTextEquals("username"u8) ? "username"
        : reader.ValueTextEquals("message"u8) ? "message"
        : reader.ValueTextEquals("id"u8) ? "id"
        : null;

    private static ReadOnlySpan<byte> PercentDecode(ReadOnlySpan<byte> encoded, byte[] scratch)
    {
        if (encoded.IndexOfAny((byte)'%', (byte)'+') < 0) return encoded;
        int length = 0;
        for (int i = 0; i < encoded.Length; i++)
        {
            byte b = encoded[i];
            if (b == (byte)'+') b = (byte)' ';
            if (b == (byte)'%' && i + 2 < encoded.Length)
            {
                int pair = HexPair(encoded[i + 1], encoded[i + 2]);
                if (pair >= 0) (b, i) = ((byte)pair, i + 2);
            }

            scratch[length++] = b;
        }

        return scratch.AsSpan(0, length);
    }

    private static int HexPair(byte high, byte low)
    {
        int h = HexDigit(high), l = HexDigit(low);
        return h < 0 || l < 0 ? -1 : (h << 4) | l;
    }

    private static int HexDigit(byte digit) =>
        char.IsAsciiHexDigit((char)digit) ? (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10) : -1;
}
