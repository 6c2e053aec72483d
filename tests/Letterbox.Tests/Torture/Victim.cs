// The letterbox under torture: the supervisor with its two children, and behind them a MongoDB in a process
// of its own; and what can be done to each. Whoever kills the supervisor starts it again at once, as a person
// or a service manager would: on the same ports and the same data, while the children that it left are still
// on their way out.

using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Torture;

/// <summary>A letterbox that is killed and comes back. One tormentor at a time.</summary>
internal sealed class Victim : IAsyncDisposable
{
    private const int SigStop = 19, SigCont = 18;

    // Its journal outgrows this disk in a long torture: then what MongoDB has is purged before its time.
    private const int Mebibytes = 256;

    private static readonly string[] s_files = ["", "-wal", "-shm"];

    private readonly SmallDisk? _disk = SmallDisk.TryMake(Mebibytes);
    private readonly TempFolder _data = new();
    private readonly MongoHost _mongo;
    private readonly Dictionary<string, string> _variables;
    private readonly List<LetterboxProcess> _lives = [];

    private Victim(MongoHost mongo) =>
        (_mongo, _variables) = (mongo, new() { ["LETTERBOX_MONGODB_URI"] = mongo.Uri });

    /// <summary>Where to post.</summary>
    public Address Http { get; private set; } = null!;

    /// <summary>Where programs leave messages.</summary>
    public Address Socket { get; private set; } = null!;

    /// <summary>The data folder.</summary>
    public string Data => _disk?.Path ?? _data.Path;

    private LetterboxProcess Supervisor => _lives[^1];

    /// <summary>Starts it, with a MongoDB of one member or of three.</summary>
    public static async Task<Victim> StartAsync(int members = 1)
    {
        var victim = new Victim(await MongoHost.StartAsync(members));
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

    /// <summary>
    /// Fills the disk to its end for a while, and kills the child of this role meanwhile, if one is given.
    /// False: it is not a disk of its own.
    /// </summary>
    public async Task<bool> FillDiskAsync(TimeSpan duration, string? meanwhile)
    {
        if (_disk is null) return false;
        _disk.FillUpTo(0);
        await Task.Delay(duration / 2);
        if (meanwhile is not null) Kill(meanwhile);
        await Task.Delay(duration / 2);
        _disk.Empty();
        return true;
    }

    /// <summary>
    /// Moves a file of the journal away for a while. False: it was not there, for the store was not up.
    /// </summary>
    public async Task<bool> HideFileAsync(Random random, TimeSpan duration)
    {
        string path = Path.Combine(Data, "letterbox.db" + s_files[random.Next(s_files.Length)]);
        if (!File.Exists(path)) return false;
        File.Move(path, path + ".hidden");
        await Task.Delay(duration);
        File.Move(path + ".hidden", path, overwrite: true);
        return true;
    }

    /// <summary>
    /// Lets answers be lost, then kills MongoDB with -9, together with the child of this role if one is
    /// given, and starts it again after a while. False: there is no such child right now, and nobody was
    /// killed but MongoDB.
    /// </summary>
    public async Task<bool> KillMongoAsync(TimeSpan duration, string? together = null)
    {
        _mongo.Next(
            ("After", MongoMisbehaviour.Drop), ("Before", MongoMisbehaviour.Drop),
            ("After", MongoMisbehaviour.Freeze));
        await Task.Delay(duration / 2);
        bool both = together is not null && Kill(together);
        _mongo.Kill();
        await Task.Delay(duration / 2);
        await _mongo.UpAsync();
        return both;
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
    public IReadOnlyList<(string Id, string Text)> InMongo() => _mongo.Messages();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (LetterboxProcess life in _lives) await life.DisposeAsync();
        await _mongo.DisposeAsync();
        _disk?.Dispose();
        _data.Dispose();
    }
}
