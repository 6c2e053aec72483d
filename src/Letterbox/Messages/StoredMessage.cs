// A message as it is stored, and the interface that lists stored messages.

using System.Globalization;

namespace Letterbox.Messages;

/// <summary>A stored message: the document of MongoDB, the row of the journal.</summary>
/// <param name="Id">The key, MongoDB's <c>_id</c>.</param>
/// <param name="Date">Local time of receipt at the socket server, <see cref="DateFormat"/>.</param>
/// <param name="Username">As typed.</param>
/// <param name="Text">As typed; field <c>message</c> of the document.</param>
internal sealed record StoredMessage(MessageKey Id, string Date, string Username, string Text)
{
    // Dates in this format sort as text.
    public const string DateFormat = "yyyy-MM-dd HH:mm:ss.ffffff";

    // The date does not count: it is the time of receipt, and a message that was sent again, through another
    // store process or after its first row was purged, has two.
    public bool IsSameAs(StoredMessage other) =>
        Id == other.Id && Username == other.Username && Text == other.Text;

    // Writes a date as ASCII.
    public static void WriteDate(DateTime date, Span<byte> text) =>
        date.TryFormat(text, out _, DateFormat, CultureInfo.InvariantCulture);

    public static bool TryParseDate(string text, out DateTime date) => DateTime.TryParseExact(
        text, DateFormat, CultureInfo.InvariantCulture, DateTimeStyles.None, out date);
}

/// <summary>
/// A stored message and its sequence number: the order of arrival in this journal, from 1, never reused.
/// </summary>
internal sealed record JournalEntry(long Sequence, StoredMessage Message);

/// <summary>Lists stored messages, of the journal or of MongoDB. Not thread-safe.</summary>
internal interface IStoredMessages : IDisposable
{
    // Every stored message, oldest first.
    IEnumerable<StoredMessage> ReadAll();

    // The messages stored since the last call of this method or of ReadAll, oldest first.
    IEnumerable<StoredMessage> ReadNew();
}
