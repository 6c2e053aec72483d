// The messages that `messages --follow` has shown recently, so that it shows each once.
//
// New messages do not sort last. Their keys are made when the page is viewed, so an _id does not depend on
// when the message was stored; and their dates are local times of receipt, which step back by an hour in
// autumn, and reach MongoDB late after an outage. So each poll reads a window of time before the newest date
// seen, and skips what was shown before. A message that arrives with a date older than the window (a store
// process was disconnected for longer) is not shown; a full listing shows it.

using System.Globalization;
using Letterbox.Messages;

namespace Letterbox.Store.Mongo;

// The messages shown with dates in the window. Not thread-safe.
internal sealed class RecentlyListed
{
    // One hour for the clock change in autumn, and one for late deliveries.
    private static readonly TimeSpan s_window = TimeSpan.FromHours(2);

    private readonly SortedSet<(DateTime Date, MessageKey Id)> _shown = [];

    // The start of the window, as a date of a message; null before the first message.
    public string? WindowStart =>
        _shown.Count == 0 ? null : Start.ToString(StoredMessage.DateFormat, CultureInfo.InvariantCulture);

    private DateTime Start =>
        _shown.Max.Date > DateTime.MinValue + s_window ? _shown.Max.Date - s_window : DateTime.MinValue;

    public void Clear() => _shown.Clear();

    // False: it was shown before, or its date is invalid, so that Letterbox did not write it.
    public bool Add(StoredMessage message)
    {
        bool ours = StoredMessage.TryParseDate(message.Date, out DateTime date);
        if (!ours || !_shown.Add((date, message.Id))) return false;
        while (_shown.Min.Date < Start) _shown.Remove(_shown.Min);
        return true;
    }
}
