// Which messages a follower has been shown lately, so that he is shown each once.
//
// New messages do not come last. Their keys are made when the page is viewed, so an _id says nothing of
// when the message was stored; and their dates are local times of receipt, which step back by an hour in
// autumn, and reach MongoDB late when a journal had to wait. So whoever follows asks again for a window of
// time before the newest date seen, and passes over what was in there already. A message that arrives with
// a date older than the window (one of several store processes was cut off for longer) is not followed; a
// full listing shows it.

using System.Globalization;
using Letterbox.Messages;

namespace Letterbox.Store.Mongo;

/// <summary>The messages shown whose dates lie in the window. Not thread-safe.</summary>
internal sealed class RecentlyListed
{
    // The hour of autumn, and another for a journal that waited.
    private static readonly TimeSpan s_window = TimeSpan.FromHours(2);

    private readonly SortedSet<(DateTime Date, MessageKey Id)> _shown = [];

    /// <summary>
    /// Where the window begins, as a date of a message; <c>null</c> before the first message.
    /// </summary>
    public string? WindowStart =>
        _shown.Count == 0 ? null : Start.ToString(StoredMessage.DateFormat, CultureInfo.InvariantCulture);

    private DateTime Start =>
        _shown.Max.Date > DateTime.MinValue + s_window ? _shown.Max.Date - s_window : DateTime.MinValue;

    /// <summary>Forgets everything.</summary>
    public void Clear() => _shown.Clear();

    /// <summary>
    /// Notes a message as shown. False when it was shown before, or is not one of ours: its date is none.
    /// </summary>
    public bool Add(StoredMessage message)
    {
        bool ours = StoredMessage.TryParseDate(message.Date, out DateTime date);
        if (!ours || !_shown.Add((date, message.Id))) return false;
        while (_shown.Min.Date < Start) _shown.Remove(_shown.Min);
        return true;
    }
}
