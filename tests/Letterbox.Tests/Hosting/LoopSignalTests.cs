// The bell: rings are heard as one or more, never as none.

using Letterbox.Hosting;

namespace Letterbox.Tests.Hosting;

public sealed class LoopSignalTests
{
    [Fact]
    public async Task A_ring_before_anybody_listens_is_heard_and_heard_once()
    {
        using var bell = new LoopSignal();
        bell.Signal();
        bell.Signal();
        bell.Signal();
        Assert.True(await bell.WaitAsync());
        ValueTask<bool> next = bell.WaitAsync();
        Assert.False(next.IsCompleted);
        bell.Signal();
        Assert.True(await next);
    }

    [Fact]
    public async Task Nothing_that_was_brought_before_a_ring_is_left_lying()
    {
        const int ringers = 4, each = 20_000;
        using var bell = new LoopSignal();
        int brought = 0, taken = 0;
        Task[] ringing =
        [
            .. Enumerable.Range(0, ringers).Select(_ => Task.Run(() =>
            {
                for (int i = 0; i < each; i++)
                {
                    Interlocked.Increment(ref brought);
                    bell.Signal();
                }
            })),
        ];
        // Hangs if a ring is lost.
        while (taken < ringers * each)
        {
            Assert.True(await bell.WaitAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30)));
            taken += Interlocked.Exchange(ref brought, 0);
        }

        await Task.WhenAll(ringing);
        Assert.Equal(ringers * each, taken);
    }

    [Fact]
    public async Task Taken_down_it_ends_the_wait_and_rings_no_more()
    {
        var bell = new LoopSignal();
        ValueTask<bool> wait = bell.WaitAsync();
        bell.Dispose();
        Assert.False(await wait);
        bell.Signal();
        Assert.False(await bell.WaitAsync());
    }
}
