// The bell: rings are heard as one or more, never as none.

using Letterbox.Hosting;

namespace Letterbox.Tests.Hosting;

public sealed class BellTests
{
    [Fact]
    public async Task A_ring_before_anybody_listens_is_heard_and_heard_once()
    {
        using var bell = new Bell();
        bell.Ring();
        bell.Ring();
        bell.Ring();
        Assert.True(await bell.HearAsync());
        ValueTask<bool> next = bell.HearAsync();
        Assert.False(next.IsCompleted);
        bell.Ring();
        Assert.True(await next);
    }

    [Fact]
    public async Task Nothing_that_was_brought_before_a_ring_is_left_lying()
    {
        const int ringers = 4, each = 20_000;
        using var bell = new Bell();
        int brought = 0, taken = 0;
        Task[] ringing =
        [
            .. Enumerable.Range(0, ringers).Select(_ => Task.Run(() =>
            {
                for (int i = 0; i < each; i++)
                {
                    Interlocked.Increment(ref brought);
                    bell.Ring();
                }
            })),
        ];
        // Hangs if a ring is lost.
        while (taken < ringers * each)
        {
            Assert.True(await bell.HearAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30)));
            taken += Interlocked.Exchange(ref brought, 0);
        }

        await Task.WhenAll(ringing);
        Assert.Equal(ringers * each, taken);
    }

    [Fact]
    public async Task Taken_down_it_ends_the_wait_and_rings_no_more()
    {
        var bell = new Bell();
        ValueTask<bool> wait = bell.HearAsync();
        bell.Dispose();
        Assert.False(await wait);
        bell.Ring();
        Assert.False(await bell.HearAsync());
    }
}
