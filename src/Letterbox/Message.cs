// The message: what a person leaves, under the key it was given at the first hop, and the rules it must keep.

using System.Diagnostics.CodeAnalysis;

namespace Letterbox;

/// <summary>
/// A legal message on its way to the store. Immutable. The text is kept as it was typed: nothing is trimmed,
/// normalised or escaped on the way. The date is not part of it: the socket server stamps it on receipt.
/// </summary>
public sealed class Message
{
    /// <summary>Longest user name, in letters (see <see cref="Letters"/>).</summary>
    public const int UsernameMax = 64;

    /// <summary>Longest message, in letters (see <see cref="Letters"/>).</summary>
    public const int TextMax = 4_000;

    /// <summary>
    /// Longest encoded form of a message, in bytes, on any way in. A letter takes at most 12 bytes (a
    /// percent-encoded letter of four UTF-8 bytes, or JSON's pair of \u escapes): 12 * (4,000 + 64), with
    /// room for names and the key.
    /// </summary>
    public const int EncodedBytesMax = 64 * 1024;

    private Message(ObjectId id, string username, string text) => (Id, Username, Text) = (id, username, text);

    /// <summary>The idempotency key.</summary>
    public ObjectId Id { get; }

    /// <summary>Who left it: 1 to <see cref="UsernameMax"/> letters.</summary>
    public string Username { get; }

    /// <summary>What was left: 1 to <see cref="TextMax"/> letters.</summary>
    public string Text { get; }

    /// <summary>
    /// Makes a message of fields as they arrived (<c>null</c>: the field was missing), or says what is wrong.
    /// </summary>
    public static bool TryCreate(
        ObjectId id, string? username, string? text,
        [NotNullWhen(true)] out Message? message, [NotNullWhen(false)] out FieldFault? fault)
    {
        fault = Check("username", username, UsernameMax) ?? Check("message", text, TextMax);
        message = fault is null ? new Message(id, username!, text!) : null;
        return message is not null;
    }

    /// <summary>
    /// Length as a person counts: a line break (CR LF, CR or LF) is one letter, as HTML's <c>maxlength</c>
    /// has it, and so is a letter outside the basic plane, so that emoji get the same room as ASCII. Never
    /// more than HTML counts.
    /// </summary>
    public static int Letters(string text)
    {
        int letters = text.Length;
        for (int i = 1; i < text.Length; i++)
        {
            bool oneBreak = text[i] == '\n' && text[i - 1] == '\r';
            if (oneBreak || char.IsSurrogatePair(text[i - 1], text[i])) letters--;
        }

        return letters;
    }

    private static FieldFault? Check(string field, string? value, int max)
    {
        if (value is null) return new FieldFault(field, $"{field} is missing");
        if (value.Length == 0) return new FieldFault(field, $"{field} is empty");
        // Half a surrogate pair is no text: UTF-8 cannot carry it, so it would not come out as it went in.
        if (!IsWellFormed(value)) return new FieldFault(field, $"{field} is not valid Unicode");
        int letters = value.Length <= max ? value.Length : Letters(value);
        if (letters <= max) return null;
        return new FieldFault(field, $"{field} has {letters} letters, {max} is the most");
    }

    private static bool IsWellFormed(string value)
    {
        ReadOnlySpan<char> rest = value;
        while (true)
        {
            int at = rest.IndexOfAnyInRange('\uD800', '\uDFFF');
            if (at < 0) return true;
            if (at + 1 >= rest.Length || !char.IsSurrogatePair(rest[at], rest[at + 1])) return false;
            rest = rest[(at + 2)..];
        }
    }
}

/// <summary>What is wrong with one field of a message, in words for the person who sent it.</summary>
/// <param name="Field">
/// <c>username</c>, <c>message</c> or <c>id</c>; empty when no single field is to blame.
/// </param>
/// <param name="Reason">One line of plain text, no line break in it.</param>
public sealed record FieldFault(string Field, string Reason);
