// Which of the stored messages `letterbox messages` lists.

using System.Globalization;
using Letterbox.Configuration;
using Letterbox.Messages;

namespace Letterbox.Commands;

// Each part is optional. `Since` and `Until` are dates as stored. `Limit`: so many of the newest messages.
internal sealed record MessageFilter(
    string? Id = null, string? Since = null, string? Until = null, string? Search = null, int? Limit = null)
{
    // The first or last digits of a key; fewer would often match several messages.
    private const int IdLengthMin = 6;

    /// <exception cref="SettingsException">A value is invalid.</exception>
    public static MessageFilter Read(string? id, string? since, string? until, string? search, int? limit)
    {
        bool isId = id is null
            || (id.Length is >= IdLengthMin and <= MessageKey.HexLength && id.All(char.IsAsciiHexDigit));
        if (!isId)
        {
            throw new SettingsException(
                $"--id is \"{id}\": expected the {MessageKey.HexLength} hexadecimal digits of a receipt, or "
                + $"its first or last ones, {IdLengthMin} or more");
        }

        if (limit < 1) throw new SettingsException($"--limit is {limit}: expected 1 or more");
        return new MessageFilter(
            id?.ToLowerInvariant(), Date("--since", since), Date("--until", until), search, limit);
    }

    public bool Matches(StoredMessage message) =>
        (Since is null || string.CompareOrdinal(message.Date, Since) >= 0)
        && (Until is null || string.CompareOrdinal(message.Date, Until) < 0)
        && (Search is null || Contains(message.Username) || Contains(message.Text))
        && (Id is null || IsIdOf(message.Id.ToString()));

    private bool Contains(string text) => text.Contains(Search!, StringComparison.OrdinalIgnoreCase);

    private bool IsIdOf(string key) =>
        key.StartsWith(Id!, StringComparison.Ordinal) || key.EndsWith(Id!, StringComparison.Ordinal);

    private static string? Date(string option, string? text)
    {
        if (text is null) return null;
        if (!PointInTime.TryParse(text, LocalTime.Clock, out DateTimeOffset at))
            throw new SettingsException($"{option} is \"{text}\": expected {PointInTime.Expected}");
        return LocalTime.Of(at).ToString(StoredMessage.DateFormat, CultureInfo.InvariantCulture);
    }
}
