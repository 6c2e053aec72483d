// The letterbox under torture: the supervisor with its two children and the MongoDB behind them, and what can
// be done to each. Whoever kills the supervisor starts it again at once, as a person or a service manager
// would: on the same ports and the same data, while the children that it left are still on their way out.

using Letterbox.Tests.Support;

namespace Letterbox.Tests.Torture;

/// <summary>A letterbox that is killed and comes back. One tormentor at a time.</summary>
internal sealed class Victim : IAsyncDisposable
{
    private const int SigStop = 19, SigCont = 18;

    private readonly TempFolder _data = new();
    private readonly ScriptedMongo _mongo = new();
    private readonly Dictionary<string, string> _variables;
    private readonly List<LetterboxProcess> _lives = [];

    private Victim() => _variables = new() { ["LETTERBOX_MONGODB_URI"] = _mongo.ImpatientUri };

    /// <summary>Where to post.</summary>
    public Address Http { get; private set; } = null!;

    /// <summary>Where programs leave messages.</summary>
    public Address Socket { get; private set; } = null!;

    /// <summary>The data folder.</summary>
    public string Data => _data.Path;

    private LetterboxProcess Supervisor => _lives[^1];

    /// <summary>Starts it.</summary>
    public static async Task<Victim> StartAsync()
    {
        var victim = new Victim();
        LetterboxProcess first = await LetterboxProcess.StartAsync([], victim._variables, victim.Data);
        victim._lives.Add(first);
        (victim.Http, victim.Socket) = (first.Http, first.Socket);
        return victim;
    }

    /// <summary>kill -9 of the child with this role. False: there is none right now.</summary>
    public bool Kill(string role) =>
        Supervisor.TryChild(role) is { } child && LetterboxProcess.TrySignal(child, LetterboxProcess.SigKill);

    /// <summary>kill -9 of the supervisor, and a new one at once.</summary>
    public async Task KillSupervisorAsync()
    {
        Supervisor.Signal(LetterboxProcess.SigKill);
        string[] same = ["--http", Http.ToString(), "--socket", Socket.ToString()];
        _lives.Add(await LetterboxProcess.StartAsync(same, _variables, Data));
    }

    /// <summary>Stops the child with this role for a while, in the middle of whatever it does.</summary>
    public async Task FreezeAsync(string role, TimeSpan duration)
    {
        if (Supervisor.TryChild(role) is not { } child) return;
        if (!LetterboxProcess.TrySignal(child, SigStop)) return;
        await Task.Delay(duration);
        LetterboxProcess.TrySignal(child, SigCont);
    }

    /// <summary>Takes MongoDB away for a while, and lets answers be lost before and after.</summary>
    public async Task LoseMongoAsync(TimeSpan duration)
    {
        _mongo.Next(
            "insert", MongoFault.After(MongoMisbehaviour.Drop), MongoFault.Before(MongoMisbehaviour.Drop),
            MongoFault.After(MongoMisbehaviour.Freeze));
        await Task.Delay(duration / 2);
        _mongo.Down();
        await Task.Delay(duration / 2);
        _mongo.Up();
    }

    /// <summary>
    /// Waits until MongoDB has as many messages as the journal, and stops everything in order.
    /// </summary>
    public async Task StopAsync()
    {
        await Eventually.IsAsync(() => InMongo().Count >= JournalRows.Ids(Data).Length);
        Supervisor.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await Supervisor.EndedAsync());
    }

    /// <summary>What MongoDB holds.</summary>
    public IReadOnlyList<(string Id, string Text)> InMongo() =>
    [
        .. _mongo.Stored("letterbox", "messages")
            .Select(static document => (document["_id"]!.ToString()!, (string)document["message"]!)),
    ];

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (LetterboxProcess life in _lives) await life.DisposeAsync();
        await _mongo.DisposeAsync();
        _data.Dispose();
    }
}
