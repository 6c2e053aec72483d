// Limits the memory that all clients of a process together make it hold: incomplete requests, and answers
// that are not read. Memory counts only while the server waits for a client, so a client that keeps up is not
// counted. When the sum is too large, the client that has been waited for longest is closed.

namespace Letterbox.Hosting;

// Safe on any thread.
internal sealed class MemoryBudget(long bytesMax)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<Hold> _holds = new(); // the oldest first
    private long _bytes;

    public long Bytes => Volatile.Read(ref _bytes);

    private void Set(Hold hold, int bytes)
    {
        List<Hold>? ended = null;
        lock (_gate)
        {
            Count(hold, bytes);
            while (_bytes > bytesMax)
            {
                Hold oldest = _holds.First!.Value;
                Count(oldest, 0);
                (ended ??= []).Add(oldest);
            }
        }

        if (ended is null) return;
        foreach (Hold one in ended) one.End();
    }

    private void Count(Hold hold, int bytes)
    {
        _bytes += bytes - hold.Bytes;
        hold.Bytes = bytes;
        if (bytes > 0 && hold.Node.List is null) _holds.AddLast(hold.Node);
        else if (bytes == 0 && hold.Node.List is not null) _holds.Remove(hold.Node);
    }

    // The memory that one client makes the process hold.
    internal sealed class Hold
    {
        private readonly MemoryBudget _budget;

        // `end` closes the client, on any thread. A client that is no longer waited for may continue, and is
        // counted again later.
        public Hold(MemoryBudget budget, Action end) =>
            (_budget, End, Node) = (budget, end, new LinkedListNode<Hold>(this));

        internal Action End { get; }

        internal LinkedListNode<Hold> Node { get; }

        internal int Bytes { get; set; }

        // 0 once the client is no longer waited for.
        public void Set(int bytes)
        {
            if (bytes != 0 || Bytes != 0) _budget.Set(this, bytes);
        }
    }
}
