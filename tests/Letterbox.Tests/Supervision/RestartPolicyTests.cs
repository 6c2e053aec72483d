// The table on top of RestartPolicy.cs, row by row.

using Letterbox.Hosting;
using Letterbox.Supervision;

namespace Letterbox.Tests.Supervision;

public sealed class RestartPolicyTests
{
    private static readonly ChildEnd s_killed = new(WasReady: true, TimeSpan.FromSeconds(1), 128 + 9);

    [Theory]
    [InlineData(0, ExitStatus.Failed)]
    [InlineData(1, ExitStatus.Failed)]
    [InlineData(2, ExitStatus.Usage)]
    [InlineData(126, ExitStatus.Failed)]
    public void A_child_that_cannot_start_is_given_up_at_once(int status, int exit)
    {
        RestartDecision decision = new RestartPolicy().After(new ChildEnd(false, TimeSpan.Zero, status));
        Assert.Equal(new RestartDecision(null, exit), decision);
    }

    [Fact]
    public void A_signal_at_the_first_start_is_a_crash_and_the_tenth_in_a_row_is_too_many()
    {
        var policy = new RestartPolicy();
        var crash = new ChildEnd(false, TimeSpan.Zero, 128 + 6);
        for (int i = 1; i < RestartPolicy.FailedStartsMax; i++) Assert.NotNull(policy.After(crash).Delay);
        Assert.Equal(new RestartDecision(null, ExitStatus.Failed), policy.After(crash));
    }

    [Fact]
    public void A_child_that_was_ready_once_is_never_given_up_but_starts_that_fail_become_rare()
    {
        var policy = new RestartPolicy();
        var failed = new ChildEnd(false, TimeSpan.Zero, 2);
        Assert.NotNull(policy.After(s_killed).Delay);
        for (int i = 1; i < RestartPolicy.FailedStartsMax; i++)
            Assert.InRange(policy.After(failed).Delay!.Value, RestartPolicy.DelayMin, RestartPolicy.DelayMax);
        for (int i = 0; i < 1000; i++)
            Assert.Equal(RestartPolicy.DelayOfFailing, policy.After(failed).Delay);
        Assert.InRange(policy.After(s_killed).Delay!.Value, RestartPolicy.DelayMin, RestartPolicy.DelayMax);
    }

    [Fact]
    public void The_delay_doubles_up_to_its_bound()
    {
        var policy = new RestartPolicy();
        foreach (int delay in new[] { 100, 200, 400, 800, 1600, 3200, 5000, 5000 })
            Assert.Equal(TimeSpan.FromMilliseconds(delay), policy.After(s_killed).Delay);
    }

    [Fact]
    public void A_good_run_takes_the_delay_back_to_the_start()
    {
        var policy = new RestartPolicy();
        policy.After(s_killed);
        policy.After(s_killed with { Ran = RestartPolicy.DelayMax });
        Assert.Equal(TimeSpan.FromMilliseconds(400), policy.After(s_killed).Delay);
        ChildEnd good = s_killed with { Ran = RestartPolicy.DelayMax + TimeSpan.FromTicks(1) };
        Assert.Equal(RestartPolicy.DelayMin, policy.After(good).Delay);
        // Long, but it was only long in failing to start.
        Assert.Equal(TimeSpan.FromMilliseconds(200), policy.After(good with { WasReady = false }).Delay);
    }

    [Theory]
    [InlineData(1, "ended with status 1")]
    [InlineData(137, "ended by signal 9")]
    public void The_end_is_said_in_words(int status, string words) =>
        Assert.Equal(words, new ChildEnd(true, TimeSpan.Zero, status).ToString());
}
