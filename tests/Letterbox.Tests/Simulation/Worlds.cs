// Plays many worlds on all cores, each from one seed. On threads of their own: a world waits for the
// product's threads, and whoever waits on the thread pool keeps from it the thread that would end the wait.

using System.Collections.Concurrent;
using System.Globalization;

namespace Letterbox.Tests.Simulation;

/// <summary>Many seeds, or the one that a person asks for.</summary>
internal static class Worlds
{
    private const string SeedVariable = "LETTERBOX_SIMULATION_SEED";

    /// <summary>
    /// Plays seeds 1 to <paramref name="count"/>, or only the one in the environment. Fails with the first
    /// that fails, and the command that plays it again.
    /// </summary>
    public static async Task PlayAsync(int count, string test, Action<int> play)
    {
        var seeds = new ConcurrentQueue<int>(Seeds(count));
        Task[] players =
        [
            .. Enumerable.Range(0, Environment.ProcessorCount).Select(_ => Task.Factory.StartNew(
                PlayOn, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)),
        ];
        await Task.WhenAll(players);

        void PlayOn()
        {
            try
            {
                while (seeds.TryDequeue(out int seed)) Play(seed, test, play);
            }
            catch
            {
                // One failure is enough.
                seeds.Clear();
                throw;
            }
        }
    }

    private static IEnumerable<int> Seeds(int count) =>
        Environment.GetEnvironmentVariable(SeedVariable) is { Length: > 0 } one
            ? [int.Parse(one, CultureInfo.InvariantCulture)]
            : Enumerable.Range(1, count);

    private static void Play(int seed, string test, Action<int> play)
    {
        try
        {
            play(seed);
        }
        catch (Exception e)
        {
            string again = $"to see it again: {SeedVariable}={seed} ./test.sh {test}";
            throw new InvalidOperationException(again, e);
        }
    }
}
