// Gives memory back to the system. The garbage collector keeps what a flood of clients made it allocate, and
// in a process that has become quiet it does not run again.

namespace Letterbox.Hosting;

// Collects when little has been allocated for a while, so that no request waits for it; once more after
// that, for what connections held that ended meanwhile.
internal sealed class IdleCollector : IDisposable
{
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(5);
    private const long QuietBytes = 1024 * 1024; // allocated within that time
    private const long KeptBytes = 32 * 1024 * 1024; // a heap that is worth no collection

    private readonly Timer _timer;
    private long _allocated;
    private int _collections; // in this quiet time

    public IdleCollector() =>
        _timer = new Timer(static self => ((IdleCollector)self!).Check(), this, s_every, s_every);

    public void Dispose() => _timer.Dispose();

    private void Check()
    {
        long before = _allocated;
        _allocated = GC.GetTotalAllocatedBytes();
        if (_allocated - before > QuietBytes)
        {
            _collections = 0;
        }
        else if (_collections < 2 && GC.GetGCMemoryInfo(GCKind.Any).TotalCommittedBytes > KeptBytes)
        {
            LargeBuffers.Trim();
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            _collections++;
        }
    }
}
