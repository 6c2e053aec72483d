// A relay that is told to stop, whatever it is doing.

using Letterbox.Store;
using static Letterbox.Tests.Store.RelayHost;

namespace Letterbox.Tests.Store;

public sealed class RelayStopTests : IAsyncDisposable
{
    private readonly RelayHost _host = new();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task A_stop_does_not_wait_long_for_a_mongodb_that_hangs()
    {
        await Samples.FillAsync(_host.Journal, 1);
        using var inFlight = new ManualResetEventSlim();
        using var answers = new ManualResetEventSlim();
        Relay relay = _host.Start(_ =>
        {
            inFlight.Set();
            answers.Wait();
            return Stored;
        });
        inFlight.Wait(TestContext.Current.CancellationToken);
        ValueTask stopped = relay.DisposeAsync();
        Assert.Equal(TimeSpan.FromSeconds(3), await _host.Time.NextTimerAsync());
        Assert.False(stopped.IsCompleted);
        _host.Time.Advance(TimeSpan.FromSeconds(3));
        await stopped;
        await _host.ReopenAsync();
        answers.Set();
        Assert.Equal(0, _host.Watermark);
    }

    [Fact]
    public async Task A_stop_lets_what_is_in_flight_land_and_sends_no_more()
    {
        await Samples.FillAsync(_host.Journal, 5000);
        using var inFlight = new ManualResetEventSlim();
        using var answers = new ManualResetEventSlim();
        Relay relay = _host.Start(_ =>
        {
            inFlight.Set();
            answers.Wait();
            return Stored;
        });
        inFlight.Wait(TestContext.Current.CancellationToken);
        ValueTask stopped = relay.DisposeAsync();
        answers.Set();
        await stopped;
        Assert.InRange(_host.Watermark, 1000, 3000);
        Assert.Equal(_host.Sizes.Sum(), _host.Watermark);
    }

    [Fact]
    public async Task Stopping_ends_a_pause_and_leaves_the_rest_in_the_journal()
    {
        await Samples.FillAsync(_host.Journal, 1);
        Relay relay = _host.Start(Away);
        await _host.Time.NextTimerAsync();
        await relay.DisposeAsync();
        Assert.Equal(1, relay.Backlog);
        Assert.Equal(["message 1"], Samples.Texts(_host.Journal));
    }
}
