// The fields of a message as they arrive, before any rule is applied: `id`, `username`, `message`, in every
// encoding, `text-digest`, which the form page adds to its key (TextKey.cs), and `_charset_`, in which an
// HTML form names the encoding of its text (RFC 7578 4.6).
//
// application/x-www-form-urlencoded (WHATWG URL Standard, 5.1):
//    id=<24 hex>&username=krabaton&message=First+message
// JSON (RFC 8259):
//    {"id": "<24 hex>", "username": "krabaton", "message": "First message"}
//
// Other names are skipped, so that a form may have a button and other programs their own fields. A name given
// twice is rejected: two readers could disagree on which one counts. Decoding is pure: no I/O, no state.
// Decoded bytes go to scratch memory of the caller, so that nothing is allocated for an invalid message.

using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Letterbox.Messages;

[Flags]
internal enum MessageField
{
    None = 0,
    Id = 1,
    Username = 2,
    Text = 4,
    TextDigest = 8,
    Charset = 16,
}

/// <summary>The fields as bytes that should be UTF-8, valid as long as the memory they point to.</summary>
internal ref struct MessageFields
{
    private static readonly FieldError s_notUtf8 = new("", "the message is not valid UTF-8");
    private static readonly FieldError s_badJson = new("", "the message is not valid JSON");
    private static readonly FieldError s_badKey = new("id", "is not 24 hex digits");
    private static readonly FieldError s_notObject = new("", "the message is not a JSON object");

    // Text in another charset is rejected, not converted: it is UTF-8 on every hop.
    public static FieldError OtherCharset { get; } =
        new("", "only text in UTF-8 is accepted, and this names another charset") { IsUnsupported = true };

    // The value of a hex digit; any other byte has a value that no pair of digits can reach.
    private const int NoDigit = 0x100;
    private static readonly int[] s_digits = HexDigits();

    private MessageField _given;

    public ReadOnlySpan<byte> Id { get; private set; }

    public ReadOnlySpan<byte> Username { get; private set; }

    public ReadOnlySpan<byte> Text { get; private set; }

    // Digest of the text for which the form page made the key; empty for a fresh page.
    public ReadOnlySpan<byte> TextDigest { get; private set; }

    // Whether the field was given, even if empty.
    public readonly bool Has(MessageField field) => (_given & field) != MessageField.None;

    /// <summary>
    /// Decodes <c>application/x-www-form-urlencoded</c>; a percent sign without two hex digits is literal, as
    /// in the standard. <paramref name="scratch"/> is as long as the form. Returns <c>null</c> or the error.
    /// </summary>
    public static FieldError? ReadForm(
        ReadOnlySpan<byte> form, Span<byte> scratch, out MessageFields fields)
    {
        fields = default;
        form = WithoutByteOrderMark(form);
        while (!form.IsEmpty)
        {
            int end = form.IndexOf((byte)'&');
            ReadOnlySpan<byte> pair = end < 0 ? form : form[..end];
            form = end < 0 ? default : form[(end + 1)..];
            int equals = pair.IndexOf((byte)'=');
            ReadOnlySpan<byte> name = PercentDecode(equals < 0 ? pair : pair[..equals], scratch);
            MessageField field = Named(name);
            if (field == MessageField.None) continue;
            ReadOnlySpan<byte> value = PercentDecode(equals < 0 ? default : pair[(equals + 1)..], scratch);
            scratch = scratch[value.Length..];
            if (fields.Set(field, value) is { } error) return error;
        }

        return null;
    }

    // Decodes one JSON object, whose fields must be strings; the rest as above.
    public static FieldError? ReadJson(
        ReadOnlySpan<byte> json, Span<byte> scratch, out MessageFields fields)
    {
        fields = default;
        json = WithoutByteOrderMark(json);
        if (!Utf8.IsValid(json)) return s_notUtf8;
        try
        {
            var reader = new Utf8JsonReader(json);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return s_notObject;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                MessageField field = Named(scratch[..reader.CopyString(scratch)]);
                reader.Read();
                if (field == MessageField.None)
                {
                    reader.Skip();
                    continue;
                }

                if (reader.TokenType != JsonTokenType.String)
                    return new FieldError(Name(field), "is not a JSON string");
                int length = reader.CopyString(scratch);
                if (fields.Set(field, scratch[..length]) is { } error) return error;
                scratch = scratch[length..];
            }

            // Reading to the end detects text after the closing brace.
            return reader.Read() ? s_badJson : null;
        }
        catch (JsonException)
        {
            return s_badJson;
        }
        catch (InvalidOperationException)
        {
            // An unpaired surrogate such as "\ud800": valid JSON, but not Unicode text.
            return new FieldError("", "the message is not valid Unicode");
        }
    }

    /// <summary>
    /// Makes the message. A missing key is made here: this is then the message's first hop. Returns
    /// <c>null</c> or the error.
    /// </summary>
    public readonly FieldError? ToMessage(TimeProvider time, out Message? message)
    {
        message = null;
        bool hasKey = Has(MessageField.Id);
        MessageKey id = default;
        if (!hasKey) id = MessageKey.New(time);
        else if (!MessageKey.TryParse(Id, out id)) return s_badKey;
        if ((CheckBlank("username", Username) ?? CheckBlank("message", Text)) is { } blank) return blank;
        return Message.TryCreate(id, this, out message, out FieldError? error, !hasKey) ? null : error;
    }

    // What is wrong with each field, if they do not make a message.
    public readonly FieldError[] Errors()
    {
        FieldError?[] errors =
        [
            Has(MessageField.Id) && !MessageKey.TryParse(Id, out _) ? s_badKey : null,
            CheckBlank("username", Username) ?? Message.CheckUsername(this),
            CheckBlank("message", Text) ?? Message.CheckText(this),
        ];
        return [.. errors.OfType<FieldError>()];
    }

    // Not a rule of Message: blank messages of earlier versions are stored.
    private static FieldError? CheckBlank(string field, ReadOnlySpan<byte> value) =>
        !value.IsEmpty && BlankText.IsBlank(value) ? new FieldError(field, "is blank") : null;

    // Sets one decoded field. Returns null or the error.
    public FieldError? Set(MessageField field, ReadOnlySpan<byte> value)
    {
        if (field == MessageField.Charset) return IsUtf8(value) ? null : OtherCharset;
        if (Has(field)) return new FieldError(Name(field), "is given twice");
        _given |= field;
        if (field == MessageField.Id) Id = value;
        else if (field == MessageField.Username) Username = value;
        else if (field == MessageField.TextDigest) TextDigest = value;
        else Text = value;
        return null;
    }

    public static MessageField Named(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("username"u8) ? MessageField.Username
        : name.SequenceEqual("message"u8) ? MessageField.Text
        : name.SequenceEqual("id"u8) ? MessageField.Id
        : name.SequenceEqual("text-digest"u8) ? MessageField.TextDigest
        : name.SequenceEqual("_charset_"u8) ? MessageField.Charset
        : MessageField.None;

    // The only charset that is supported, and its subset, under the names of WHATWG's Encoding Standard.
    public static bool IsUtf8(ReadOnlySpan<byte> charset) =>
        Ascii.EqualsIgnoreCase(charset, "utf-8"u8) || Ascii.EqualsIgnoreCase(charset, "utf8"u8)
        || Ascii.EqualsIgnoreCase(charset, "us-ascii"u8) || Ascii.EqualsIgnoreCase(charset, "ascii"u8);

    private static ReadOnlySpan<byte> WithoutByteOrderMark(ReadOnlySpan<byte> text) =>
        text.StartsWith("\uFEFF"u8) ? text["\uFEFF"u8.Length..] : text;

    private static string Name(MessageField field) => field switch
    {
        MessageField.Id => "id",
        MessageField.Username => "username",
        MessageField.TextDigest => "text-digest",
        _ => "message",
    };

    private static ReadOnlySpan<byte> PercentDecode(ReadOnlySpan<byte> encoded, Span<byte> scratch)
    {
        int length = encoded.IndexOfAny((byte)'%', (byte)'+');
        if (length < 0) return encoded;
        encoded[..length].CopyTo(scratch);
        int[] digits = s_digits;
        for (int i = length; i < encoded.Length; i++)
        {
            byte b = encoded[i];
            if (b == (byte)'+') b = (byte)' ';
            if (b == (byte)'%' && i + 2 < encoded.Length)
            {
                int pair = digits[encoded[i + 1]] << 4 | digits[encoded[i + 2]];
                if (pair <= 0xFF) (b, i) = ((byte)pair, i + 2);
            }

            scratch[length++] = b;
        }

        return scratch[..length];
    }

    private static int[] HexDigits()
    {
        int[] digits = new int[256];
        for (int b = 0; b < digits.Length; b++)
            digits[b] = char.IsAsciiHexDigit((char)b) ? Convert.ToInt32($"{(char)b}", 16) : NoDigit;
        return digits;
    }
}
