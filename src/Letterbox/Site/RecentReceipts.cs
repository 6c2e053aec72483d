// The messages that this process saw stored last. The page to which a browser is sent after its message is
// answered from here, and only later visits ask the stores.

using System.Globalization;
using Letterbox.Messages;

namespace Letterbox.Site;

/// <summary>Thread-safe.</summary>
internal sealed class RecentReceipts(TimeProvider time)
{
    // About 1 MB.
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

    // Null: not among the last.
    public FoundReceipt? Find(MessageKey id)
    {
        lock (_gate)
        {
            if (!_dates.TryGetValue(id, out DateTimeOffset date)) return null;
            string text = date.ToString(StoredMessage.DateFormat, CultureInfo.InvariantCulture);
            return new FoundReceipt(ReceiptState.Stored, text);
        }
    }
}
