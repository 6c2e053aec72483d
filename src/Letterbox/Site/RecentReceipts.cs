// The messages that this process saw stored last: for these, and for no other key in its address, the
// thank-you page may say so.

using Letterbox.Messages;

namespace Letterbox.Site;

/// <summary>Thread-safe.</summary>
internal sealed class RecentReceipts(TimeProvider time)
{
    // About 1 MB. A browser asks at once after the 303; later only a reload does.
    private const int Max = 16_384;

    private readonly Lock _gate = new();
    private readonly Dictionary<MessageKey, DateTimeOffset> _dates = [];
    private readonly Queue<MessageKey> _oldest = new();

    // A message that is sent again keeps its date.
    public void Add(MessageKey id)
    {
        lock (_gate)
        {
            if (!_dates.TryAdd(id, time.GetLocalNow())) return;
            _oldest.Enqueue(id);
            if (_oldest.Count > Max) _dates.Remove(_oldest.Dequeue());
        }
    }

    public bool TryFind(MessageKey id, out DateTimeOffset date)
    {
        lock (_gate) return _dates.TryGetValue(id, out date);
    }
}
