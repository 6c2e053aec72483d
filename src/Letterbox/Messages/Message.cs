// The message: what a person leaves, under the key it was given at the first hop, and the rules it must keep.
//
// Its text is UTF-8 on every hop from the browser to the database, so UTF-8 is what is held here. A string
// is made of it for a page.

using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Unicode;

namespace Letterbox.Messages;

/// <summary>
/// A legal message on its way to the store. Immutable. The text is kept as it was typed: nothing is trimmed,
/// normalised or escaped on the way. The date is not part of it: the socket server stamps it on receipt.
/// </summary>
public sealed class Message
{
    /// <summary>Longest user name, in characters (see <see cref="CountCharacters"/>).</summary>
    public const int UsernameMax = 64;

    /// <summary>Longest message, in characters (see <see cref="CountCharacters"/>).</summary>
    public const int TextMax = 4_000;

    /// <summary>
    /// Longest encoded form of a message, in bytes, on any way in. A letter takes at most 12 bytes (a
    /// percent-encoded letter of four UTF-8 bytes, or JSON's pair of \u escapes): 12 * (4,000 + 64), with
    /// room for names and the key.
    /// </summary>
    public const int EncodedBytesMax = 64 * 1024;

    /// <summary>Shortest encoded form: <c>username=a&amp;message=b</c>. JSON needs 30 bytes.</summary>
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

    /// <summary>The idempotency key.</summary>
    public MessageKey Id { get; }

    /// <summary>
    /// The sender gave no key, so this process made one that is not known elsewhere and can be replaced.
    /// </summary>
    public bool HasServerKey { get; }

    /// <summary>Who left it: 1 to <see cref="UsernameMax"/> characters, in UTF-8.</summary>
    public ReadOnlySpan<byte> UsernameUtf8 => _utf8.AsSpan(0, _usernameLength);

    /// <summary>What was left: 1 to <see cref="TextMax"/> characters, in UTF-8.</summary>
    public ReadOnlySpan<byte> TextUtf8 => _utf8.AsSpan(_usernameLength);

    /// <summary>About how many bytes it takes in the journal.</summary>
    public int StoredBytes => _utf8.Length + 128;

    /// <summary>The user name as a string, made anew at each call.</summary>
    public string Username => Encoding.UTF8.GetString(UsernameUtf8);

    /// <summary>The text as a string, made anew at each call.</summary>
    public string Text => Encoding.UTF8.GetString(TextUtf8);

    /// <summary>
    /// Makes a message of strings (<c>null</c>: the field was missing), or returns what is wrong.
    /// </summary>
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

    /// <summary>Makes a message of fields as they arrived, or returns what is wrong.</summary>
    public static bool TryCreate(
        MessageKey id, MessageFields fields,
        [NotNullWhen(true)] out Message? message, [NotNullWhen(false)] out FieldError? error,
        bool hasServerKey = false)
    {
        error = Check("username", fields.Has(MessageField.Username), fields.Username, UsernameMax)
            ?? Check("message", fields.Has(MessageField.Text), fields.Text, TextMax);
        message = error is not null
            ? null
            : new Message(id, [.. fields.Username, .. fields.Text], fields.Username.Length, hasServerKey);
        return message is not null;
    }

    /// <summary>The same message under another key.</summary>
    public Message WithId(MessageKey id) => new(id, _utf8, _usernameLength, HasServerKey);

    /// <summary>
    /// Length as a person counts: a line break (CR LF, CR or LF) is one letter, as HTML's <c>maxlength</c>
    /// has it, and so is a letter outside the basic plane, so that emoji get the same room as ASCII. Never
    /// more than HTML counts.
    /// </summary>
    public static int CountCharacters(ReadOnlySpan<byte> utf8)
    {
        int characters = 0;
        byte before = 0;
        foreach (byte b in utf8)
        {
            bool goesOn = (b & 0b1100_0000) == 0b1000_0000 || (b == '\n' && before == '\r');
            if (!goesOn) characters++;
            before = b;
        }

        return characters;
    }

    private static FieldError? Check(string field, bool given, ReadOnlySpan<byte> value, int max)
    {
        if (!given) return new FieldError(field, $"{field} is missing");
        if (value.IsEmpty) return new FieldError(field, $"{field} is empty");
        if (!Utf8.IsValid(value)) return new FieldError(field, $"{field} is not valid UTF-8");
        int characters = value.Length <= max ? value.Length : CountCharacters(value);
        if (characters <= max) return null;
        return new FieldError(field, $"{field} has {characters} characters, {max} is the maximum");
    }

    // Half a surrogate pair is no text: UTF-8 cannot carry it, so it would not come out as it went in.
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
            return new FieldError(name, $"{name} is not valid Unicode");
        }
    }
}

/// <summary>What is wrong with one field of a message, in words for the person who sent it.</summary>
/// <param name="Field">
/// <c>username</c>, <c>message</c> or <c>id</c>; empty when no single field is to blame.
/// </param>
/// <param name="Reason">One line of plain text, no line break in it.</param>
public sealed record FieldError(string Field, string Reason);
