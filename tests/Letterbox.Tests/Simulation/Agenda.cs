// What is going to happen in a simulated world, in the order of its clock. One thread, one seed: the same
// seed gives the same history.

using Letterbox.Tests.Support;

namespace Letterbox.Tests.Simulation;

/// <summary>A seeded list of things to happen, and the clock that they move.</summary>
internal sealed class Agenda(int seed)
{
    private readonly PriorityQueue<Action, (long At, int Number)> _due = new();
    private readonly List<string> _history = [];
    private int _number;

    /// <summary>The clock of everything in this world.</summary>
    public ManualTime Time { get; } = new();

    /// <summary>Where every chance comes from.</summary>
    public Random Random { get; } = new(seed);

    /// <summary>What has happened.</summary>
    public IReadOnlyList<string> History => _history;

    /// <summary>Since the beginning.</summary>
    public TimeSpan Elapsed => Time.GetUtcNow() - new ManualTime().GetUtcNow();

    /// <summary>Writes a line into the history.</summary>
    public void Note(string what) => _history.Add($"{Elapsed.TotalMilliseconds,9:F1} ms  {what}");

    /// <summary>Some time up to this.</summary>
    public TimeSpan Within(TimeSpan most) => Random.NextDouble() * most;

    /// <summary>
    /// It will happen after this time; what is due at one moment happens in the order of asking.
    /// </summary>
    public void In(TimeSpan delay, Action what) =>
        _due.Enqueue(what, (Time.GetTimestamp() + delay.Ticks, _number++));

    /// <summary>Lets the next thing happen. False: nothing is left.</summary>
    public bool Step()
    {
        if (!_due.TryDequeue(out Action? what, out (long At, int Number) due)) return false;
        Time.Advance(TimeSpan.FromTicks(due.At - Time.GetTimestamp()));
        what();
        return true;
    }
}
