// A stored message, and the interface of what can list stored messages.

using System.Globalization;

namespace Letterbox.Messages;

/// <summary>A stored message: the document of MongoDB, the row of the journal.</summary>
/// <param name="Id">The key, MongoDB's <c>_id</c>.</param>
/// <param name="Date">Local time of receipt at the socket server, <see cref="DateFormat"/>.</param>
/// <param name="Username">As typed.</param>
/// <param name="Text">As typed; field <c>message</c> of the document.</param>
public sealed record StoredMessage(MessageKey Id, string Date, string Username, string Text)
{
    /// <summary>How a date is written. Dates in it sort as text.</summary>
    public const string DateFormat = "yyyy-MM-dd HH:mm:ss.ffffff";

    /// <summary>
    /// Whether the other one, under the same key, is this very message. The date does not count: it is that
    /// of the receipt, and a message that was sent again, through another store process or after its first
    /// row was purged, has two.
    /// </summary>
    public bool IsSameAs(StoredMessage other) =>
        Id == other.Id && Username == other.Username && Text == other.Text;

    /// <summary>
    /// Writes a date as ASCII; <paramref name="text"/> has the length of <see cref="DateFormat"/>.
    /// </summary>
    public static void WriteDate(DateTime date, Span<byte> text)
    {
        "0000-00-00 00:00:00.000000"u8.CopyTo(text);
        Digits(date.Year, text[..4]);
        Digits(date.Month, text[5..7]);
        Digits(date.Day, text[8..10]);
        Digits(date.Hour, text[11..13]);
        Digits(date.Minute, text[14..16]);
        Digits(date.Second, text[17..19]);
        Digits((int)(date.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond), text[20..26]);

        static void Digits(int number, Span<byte> text)
        {
            for (int i = text.Length - 1; i >= 0; i--, number /= 10) text[i] = (byte)('0' + number % 10);
        }
    }

    /// <summary>Reads a date; false: that is not one of ours.</summary>
    public static bool TryParseDate(string text, out DateTime date) => DateTime.TryParseExact(
        text, DateFormat, CultureInfo.InvariantCulture, DateTimeStyles.None, out date);
}

/// <summary>A stored message at its place in the journal.</summary>
/// <param name="Sequence">Order of arrival in this journal, from 1, never used twice.</param>
/// <param name="Message">The message.</param>
public sealed record JournalEntry(long Sequence, StoredMessage Message);

/// <summary>Lists stored messages. Two stores can: the journal and MongoDB. Not thread-safe.</summary>
public interface IStoredMessages : IDisposable
{
    /// <summary>Every stored message, oldest first.</summary>
    IEnumerable<StoredMessage> ReadAll();

    /// <summary>
    /// The messages stored since the last call of this method or of <see cref="ReadAll"/>, oldest first.
    /// </summary>
    IEnumerable<StoredMessage> ReadNew();
}
