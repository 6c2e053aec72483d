// A message under the key it was given at the first hop, and the rules that it must keep.
//
// The text is UTF-8 on every hop from the browser to the database, so it is held as UTF-8 here. Strings are
// made only for pages and listings.

using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Unicode;

namespace Letterbox.Messages;

/// <summary>
/// A valid message on its way to the store. Immutable. The text is kept as it was typed: it is never trimmed,
/// normalised or escaped. The date is not part of it: the socket server sets it on receipt.
/// </summary>
internal sealed class Message
{
    // In characters, see CountCharacters.
    public const int UsernameMax = 64;
    public const int TextMax = 4_000;

    // Longest encoded form. A character takes at most 12 bytes (a percent-encoded character of four UTF-8
    // bytes, or JSON's pair of \u escapes): 12 * (4,000 + 64), and some space for names and the key.
    public const int EncodedBytesMax = 64 * 1024;

    // Shortest encoded form: `username=a&message=b`. JSON needs 30 bytes.
    public const int EncodedBytesMin = 20;

    private static readonly UTF8Encoding s_strict =
        new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    // The user name, then the text.
    private readonly byte[] _utf8;
    private readonly int _usernameLength;

    private Message(MessageKey id, byte[] utf8, int usernameLength, bool hasServerKey)
    {
        (Id, HasServerKey) = (id, hasServerKey);
        (_utf8, _usernameLength) = (utf8, usernameLength);
    }

    public MessageKey Id { get; }

    // The key was made here because the sender gave none. No client knows it yet, so it may be replaced.
    public bool HasServerKey { get; }

    public ReadOnlySpan<byte> UsernameUtf8 => _utf8.AsSpan(0, _usernameLength);

    public ReadOnlySpan<byte> TextUtf8 => _utf8.AsSpan(_usernameLength);

    // Approximate size in the journal.
    public int StoredBytes => _utf8.Length + 128;

    public string Username => Encoding.UTF8.GetString(UsernameUtf8);

    public string Text => Encoding.UTF8.GetString(TextUtf8);

    /// <summary>Makes a message of strings; <c>null</c> is a missing field.</summary>
    public static bool TryCreate(
        MessageKey id, string? username, string? text,
        [NotNullWhen(true)] out Message? message, [NotNullWhen(false)] out FieldError? error)
    {
        message = null;
        var fields = new MessageFields();
        error = Encode(MessageField.Username, username, ref fields)
            ?? Encode(MessageField.Text, text, ref fields);
        return error is null && TryCreate(id, fields, out message, out error);
    }

    public static bool TryCreate(
        MessageKey id, MessageFields fields,
        [NotNullWhen(true)] out Message? message, [NotNullWhen(false)] out FieldError? error,
        bool hasServerKey = false)
    {
        error = CheckUsername(fields) ?? CheckText(fields);
        message = error is not null
            ? null
            : new Message(id, [.. fields.Username, .. fields.Text], fields.Username.Length, hasServerKey);
        return message is not null;
    }

    public Message WithId(MessageKey id) => new(id, _utf8, _usernameLength, HasServerKey);

    /// <summary>
    /// Counts code points, with a line break (CR LF, CR or LF) as one. HTML's <c>maxlength</c> counts UTF-16
    /// code units, so this is never more: an emoji counts no more than an ASCII character.
    /// </summary>
    public static int CountCharacters(ReadOnlySpan<byte> utf8)
    {
        int characters = 0;
        byte before = 0;
        foreach (byte b in utf8)
        {
            bool continues = (b & 0b1100_0000) == 0b1000_0000 || (b == '\n' && before == '\r');
            if (!continues) characters++;
            before = b;
        }

        return characters;
    }

    // Null, or the rule that the field breaks. They hold for stored messages too.
    public static FieldError? CheckUsername(MessageFields fields) =>
        Check("username", fields.Has(MessageField.Username), fields.Username, UsernameMax);

    public static FieldError? CheckText(MessageFields fields) =>
        Check("message", fields.Has(MessageField.Text), fields.Text, TextMax);

    private static FieldError? Check(string field, bool given, ReadOnlySpan<byte> value, int max)
    {
        if (!given) return new FieldError(field, "is missing");
        if (value.IsEmpty) return new FieldError(field, "is empty");
        if (!Utf8.IsValid(value)) return new FieldError(field, "is not valid UTF-8");
        int characters = value.Length <= max ? value.Length : CountCharacters(value);
        if (characters <= max) return null;
        string excess = characters - max == 1 ? "1 character" : $"{characters - max} characters";
        return new FieldError(field, $"is {excess} too long: it has {characters}, {max} is the maximum");
    }

    // UTF-8 cannot represent an unpaired surrogate.
    private static FieldError? Encode(MessageField field, string? value, ref MessageFields fields)
    {
        if (value is null) return null;
        try
        {
            return fields.Set(field, s_strict.GetBytes(value));
        }
        catch (EncoderFallbackException)
        {
            string name = field == MessageField.Text ? "message" : "username";
            return new FieldError(name, "is not valid Unicode");
        }
    }
}
