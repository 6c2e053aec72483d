// What is wrong with a message, in one line of plain text for its sender.

namespace Letterbox.Messages;

/// <param name="Field">username, message or id; empty if the error is not in a single field.</param>
/// <param name="Problem">What follows the name of the field in a sentence; without a field all of it.</param>
internal sealed record FieldError(string Field, string Problem)
{
    public string Reason => Field.Length == 0 ? Problem : $"{Field} {Problem}";

    // The text is in a charset or a coding that is not supported: 415 in HTTP.
    public bool IsUnsupported { get; init; }
}
