// Stops the relay in each of its states.

using Letterbox.Store.Delivery;
using Letterbox.Tests.Store.Journal;
using Letterbox.Tests.Support;
using SQLitePCL;
using static Letterbox.Tests.Store.Delivery.RelayHost;

namespace Letterbox.Tests.Store.Delivery;

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
    public async Task A_stop_grants_three_seconds_to_all_that_is_in_flight_together()
    {
        await Samples.FillAsync(_host.Journal, 3000);
        using var first = new ManualResetEventSlim();
        using var others = new ManualResetEventSlim();
        Relay relay = _host.Start(batch =>
        {
            (batch[0].Sequence == 1 ? first : others).Wait();
            return Stored;
        });
        await Eventually.IsAsync(() => _host.Batches.Count == 3);
        ValueTask stopped = relay.DisposeAsync();
        Assert.Equal(TimeSpan.FromSeconds(3), await _host.Time.NextTimerAsync());
        _host.Time.Advance(TimeSpan.FromSeconds(2));
        first.Set();
        Assert.Equal(TimeSpan.FromSeconds(1), await _host.Time.NextTimerAsync());
        _host.Time.Advance(TimeSpan.FromSeconds(1));
        await stopped;
        others.Set();
        Assert.Equal(1000, _host.Watermark);
    }

    [Fact]
    public async Task A_stop_in_an_outage_is_not_told_as_its_end()
    {
        await Samples.FillAsync(_host.Journal, 1);
        Relay relay = _host.Start(_ => Away);
        await _host.Time.NextTimerAsync();
        // The hourly purge is the first step of an iteration: the relay is stopped there.
        var stopped = new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);
        raw.sqlite3_commit_hook(_host.Journal.Writer.Connection!.Handle, _ =>
        {
            stopped.TrySetResult(relay.DisposeAsync().AsTask());
            return 0;
        }, null);
        Task? pause = null;
        do
        {
            _host.Time.Advance(TimeSpan.FromHours(1));
            pause = _host.Time.NextTimerAsync();
        }
        while (await Task.WhenAny(pause, stopped.Task) == pause);
        await await stopped.Task;
        Assert.Equal(
            "Warning: messages do not reach MongoDB: no server; they are safe in the journal, retrying",
            Assert.Single(_host.Lines));
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
