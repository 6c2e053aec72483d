// What one client may leave per second: how much at once, how soon again, and that others do not notice.

using System.Net;
using Letterbox.Hosting;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Hosting;

public sealed class ByteRateLimiterTests
{
    private const int Rate = 1_000_000;

    private readonly ManualTime _time = new();

    [Fact]
    public void A_burst_of_eight_seconds_passes_and_then_the_rate_holds()
    {
        var limiter = new ByteRateLimiter(Rate, _time);
        Client client = At("192.0.2.1");
        for (int i = 0; i < 80; i++) Assert.Equal(TimeSpan.Zero, limiter.Acquire(client, Rate / 10));
        TimeSpan wait = limiter.Acquire(client, Rate / 10);
        Assert.Equal(0.1, wait.TotalSeconds, precision: 3);
        _time.Advance(wait - TimeSpan.FromMilliseconds(1));
        Assert.NotEqual(TimeSpan.Zero, limiter.Acquire(client, Rate / 10));
        _time.Advance(TimeSpan.FromMilliseconds(2));
        Assert.Equal(TimeSpan.Zero, limiter.Acquire(client, Rate / 10));
        Assert.NotEqual(TimeSpan.Zero, limiter.Acquire(client, Rate / 10));
        Assert.Equal(TimeSpan.Zero, limiter.Acquire(At("192.0.2.2"), Rate / 10));
    }

    [Fact]
    public void Any_message_passes_whatever_the_rate()
    {
        var limiter = new ByteRateLimiter(1024, _time);
        Assert.Equal(TimeSpan.Zero, limiter.Acquire(At("192.0.2.1"), 20_000));
    }

    [Fact]
    public void Addresses_of_one_ipv6_network_are_one_client()
    {
        var limiter = new ByteRateLimiter(Rate, _time);
        Assert.Equal(TimeSpan.Zero, limiter.Acquire(At("2001:db8::1"), 8 * Rate));
        Assert.NotEqual(TimeSpan.Zero, limiter.Acquire(At("2001:db8::2"), Rate));
        Assert.Equal(TimeSpan.Zero, limiter.Acquire(At("2001:db8:0:1::1"), Rate));
    }

    [Fact]
    public void Exempt_clients_and_a_limiter_that_is_off_have_no_bound()
    {
        var limiter = new ByteRateLimiter(Rate, _time);
        var exempt = At("127.0.0.1") with { IsExempt = true };
        for (int i = 0; i < 100; i++) Assert.Equal(TimeSpan.Zero, limiter.Acquire(exempt, Rate));
        limiter = new ByteRateLimiter(null, _time);
        for (int i = 0; i < 100; i++) Assert.Equal(TimeSpan.Zero, limiter.Acquire(At("192.0.2.1"), Rate));
    }

    [Fact]
    public async Task Many_threads_together_get_no_more_than_the_burst()
    {
        var limiter = new ByteRateLimiter(Rate, _time);
        int passed = 0;
        await Parallel.ForAsync(0, 20_000, (_, _) =>
        {
            if (limiter.Acquire(At("192.0.2.1"), 1000) == TimeSpan.Zero) Interlocked.Increment(ref passed);
            return ValueTask.CompletedTask;
        });
        Assert.Equal(8 * Rate / 1000, passed);
    }

    private static Client At(string address) =>
        new(new ClientNetwork(IPAddress.Parse(address)), IsExempt: false);
}
