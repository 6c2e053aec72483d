// A hundred worlds of journal, relay and MongoDB. One that fails is played again by
//
//    LETTERBOX_SIMULATION_SEED=12 ./test.sh RelaySimulation

namespace Letterbox.Tests.Simulation;

public sealed class RelaySimulationTests
{
    private const int Seeds = 100;
    private const int CanarySeeds = 10;

    [Fact]
    public Task Every_acknowledged_message_reaches_mongodb_once_in_every_world() =>
        Worlds.PlayAsync(
            Seeds, nameof(RelaySimulation), static seed => PlayAsync(seed, RelaySabotage.None).Wait());

    [Theory]
    [InlineData(RelaySabotage.Forget)]
    [InlineData(RelaySabotage.LeaveBehind)]
    public async Task A_promise_that_is_broken_on_purpose_is_caught(RelaySabotage sabotage)
    {
        int caught = 0;
        for (int seed = 1; seed <= CanarySeeds; seed++)
        {
            Exception? broken = await Record.ExceptionAsync(() => PlayAsync(seed, sabotage));
            if (broken is Xunit.Sdk.XunitException) caught++;
        }

        Assert.True(caught > 0, $"{sabotage} was not noticed in {CanarySeeds} worlds");
    }

    private static async Task PlayAsync(int seed, RelaySabotage sabotage)
    {
        await using var world = new RelaySimulation(seed, sabotage);
        await world.RunAsync();
    }
}
