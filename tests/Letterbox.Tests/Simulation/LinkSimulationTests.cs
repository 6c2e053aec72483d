// Thousands of worlds, each from one seed. A seed that fails is played again, with its history, by
//
//    LETTERBOX_SIMULATION_SEED=1234 ./test.sh LinkSimulation

namespace Letterbox.Tests.Simulation;

public sealed class LinkSimulationTests
{
    private const int ModelSeeds = 3_000;
    private const int SqliteSeeds = 60;
    private const int CanarySeeds = 100;

    [Fact]
    public Task Every_acknowledged_message_is_stored_once_in_every_world() =>
        Worlds.PlayAsync(ModelSeeds, nameof(LinkSimulation), static seed => Play(seed, new ModelDisk()));

    [Fact]
    public Task The_real_journal_keeps_the_promise_too_and_does_what_the_model_does() =>
        Worlds.PlayAsync(SqliteSeeds, nameof(LinkSimulation), static seed =>
        {
            using var model = new ModelDisk();
            using var sqlite = new SqliteDisk();
            Assert.Equal(Play(seed, model), Play(seed, sqlite));
            Assert.Equal(model.Rows, sqlite.Rows);
        });

    [Fact]
    public Task One_seed_gives_one_history_and_another_seed_another() =>
        Worlds.PlayAsync(1, "", static seed =>
        {
            Assert.Equal(Play(seed, new ModelDisk()), Play(seed, new ModelDisk()));
            Assert.NotEqual(Play(seed, new ModelDisk()), Play(seed + 1, new ModelDisk()));
        });

    [Theory]
    [InlineData(Sabotage.AcknowledgeBeforeCommit)]
    [InlineData(Sabotage.FreshKeyOnResend)]
    [InlineData(Sabotage.NoLineFeedPromise)]
    public async Task A_promise_that_is_broken_on_purpose_is_caught(Sabotage sabotage)
    {
        int caught = 0;
        await Worlds.PlayAsync(CanarySeeds, "", seed =>
        {
            using var world = new LinkSimulation(seed, new ModelDisk(), sabotage);
            if (Record.Exception(world.Run) is Xunit.Sdk.XunitException) Interlocked.Increment(ref caught);
        });
        Assert.True(caught > 0, $"{sabotage} was not noticed in {CanarySeeds} worlds");
    }

    private static IReadOnlyList<string> Play(int seed, ISimulatedDisk disk)
    {
        using var world = new LinkSimulation(seed, disk);
        try
        {
            world.Run();
            return world.History;
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"seed {seed}:\n{string.Join('\n', world.History)}", e);
        }
    }
}
