// A bound on the memory that all clients of a process together make it hold: parts of requests that are
// still to come, answers that are not taken. It is counted only where a client is waited for, so that one
// that keeps up is not counted at all. When the sum is too much, the client that has been waited for longest
// ends.

namespace Letterbox.Hosting;

/// <summary>The bound. Safe on any thread.</summary>
internal sealed class MemoryBudget(long bytesMax)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<Hold> _holds = new(); // the oldest first
    private long _bytes;
    private bool _wasHigh;

    public long Bytes => Volatile.Read(ref _bytes);

    private void Set(Hold hold, int bytes)
    {
        List<Hold>? ended = null;
        bool relieved;
        lock (_gate)
        {
            Count(hold, bytes);
            _wasHigh |= _bytes > bytesMax / 2;
            relieved = _wasHigh && _bytes < bytesMax / 8;
            _wasHigh &= !relieved;
            while (_bytes > bytesMax)
            {
                Hold oldest = _holds.First!.Value;
                Count(oldest, 0);
                (ended ??= []).Add(oldest);
            }
        }

        // The collector keeps what a flood made it take, unless it is asked.
        if (relieved) ThreadPool.UnsafeQueueUserWorkItem(static _ => GiveBack(), null);
        if (ended is null) return;
        foreach (Hold one in ended) one.End();
    }

    private static void GiveBack() =>
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);

    private void Count(Hold hold, int bytes)
    {
        _bytes += bytes - hold.Bytes;
        hold.Bytes = bytes;
        if (bytes > 0 && hold.Node.List is null) _holds.AddLast(hold.Node);
        else if (bytes == 0 && hold.Node.List is not null) _holds.Remove(hold.Node);
    }

    /// <summary>What one client makes the process hold.</summary>
    internal sealed class Hold
    {
        private readonly MemoryBudget _budget;

        /// <param name="budget">What it counts for.</param>
        /// <param name="end">
        /// Ends the client; called on any thread. One that is not waited for just then may go on, and is
        /// counted again when it is.
        /// </param>
        public Hold(MemoryBudget budget, Action end) =>
            (_budget, End, Node) = (budget, end, new LinkedListNode<Hold>(this));

        internal Action End { get; }

        internal LinkedListNode<Hold> Node { get; }

        internal int Bytes { get; set; }

        /// <summary>It is so much now; 0 once the client is not waited for any more.</summary>
        public void Set(int bytes)
        {
            if (bytes != 0 || Bytes != 0) _budget.Set(this, bytes);
        }
    }
}
