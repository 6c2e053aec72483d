// Test code. A small MongoDB that misbehaves on demand, to be used through the real driver: a standalone,
// a replica set of three with elections, or a mongos. tests/MongoHost is one of them that can be killed.
//
//    message ──▶ seen, counted ──▶ logged in? ──▶ fault to meet? ──▶ primary? ──▶ carried out ──▶ answer
//
// The members of a set share what is stored. A write that only the primary has, because replication stands
// still, is marked as such, and lost in the next election.

using System.Security.Cryptography.X509Certificates;

namespace Letterbox.Tests.Support;

/// <summary>A command that the server was sent, as it was sent.</summary>
/// <param name="Name">Its first field.</param>
/// <param name="Body">All of it.</param>
/// <param name="Port">The member that was asked.</param>
/// <param name="Bytes">Size of the message on the wire.</param>
internal sealed record SeenCommand(string Name, MongoDoc Body, int Port, int Bytes)
{
    /// <summary>Number of documents of an insert.</summary>
    public int Documents => Body["documents"] is object?[] documents ? documents.Length : 0;

    /// <summary>Number of a retryable write, within its session.</summary>
    public long? TransactionNumber => Body["txnNumber"] as long?;

    /// <summary>What was asked for before an answer.</summary>
    public MongoDoc? WriteConcern => Body["writeConcern"] as MongoDoc;
}

/// <summary>The server. Listens on free ports of loopback from the start. Safe on any thread.</summary>
internal sealed class ScriptedMongo : IAsyncDisposable
{
    private const int MembersOfSet = 3;
    private const int Unauthorized = 13, NotWritablePrimary = 10107, NotPrimaryNoSecondaryOk = 13435;

    private readonly Lock _lock = new();
    private readonly MongoTopology _topology;
    private volatile MongoUser? _user;
    private readonly ScriptedMongoMember[] _members;
    private readonly ScriptedMongoRoles _roles;
    private readonly ScriptedMongoData _data;
    private readonly Dictionary<string, Queue<MongoFault>> _lastFailures = [];
    private readonly List<SeenCommand> _seen = [];

    /// <summary>Starts it.</summary>
    /// <param name="topology">What it is.</param>
    /// <param name="user">Who must log in; without, nobody has to.</param>
    /// <param name="file">Where it keeps its documents; without, in memory.</param>
    /// <param name="ports">The ports of the members; without, free ones.</param>
    public ScriptedMongo(
        MongoTopology topology = MongoTopology.Standalone, MongoUser? user = null, string? file = null,
        params ReadOnlySpan<int> ports)
    {
        (_topology, _user, _data) = (topology, user, new ScriptedMongoData(file));
        _members = new ScriptedMongoMember[topology == MongoTopology.ReplicaSet ? MembersOfSet : 1];
        for (int i = 0; i < _members.Length; i++)
        {
            int port = i < ports.Length ? ports[i] : 0;
            _members[i] = new ScriptedMongoMember(port, () => new ScriptedMongoLogin(_user), Answer);
        }

        _roles = new ScriptedMongoRoles(topology, _members);
        Up();
    }

    /// <summary>The ports of its members.</summary>
    public int[] Ports => [.. _members.Select(static m => m.Port)];

    /// <summary>With room for options: it ends in one. With the user, if there is one.</summary>
    public string Uri => UriOf(_user);

    /// <summary>With short timeouts, so that a server that is frozen or down costs a test little.</summary>
    public string ImpatientUri => Uri + "&serverSelectionTimeoutMS=4000&socketTimeoutMS=500";

    /// <summary>Connections accepted so far.</summary>
    public int Accepted => _members.Sum(static m => m.Accepted);

    public int OpenCursors
    {
        get { lock (_lock) return _data.OpenCursors; }
    }

    public int PageMax
    {
        set { lock (_lock) _data.PageMax = value; }
    }

    /// <summary>
    /// Whether the other members of the set hear of what the primary writes. While they do not, a write
    /// concern of "majority" is not met, and an election loses what was written.
    /// </summary>
    public bool Replicates
    {
        set { lock (_lock) _data.Replicates = value; }
    }

    /// <summary>Documents that elections have lost so far.</summary>
    public int RolledBack
    {
        get { lock (_lock) return _data.RolledBack; }
    }

    /// <summary>Who must log in from now on; connections that are open stay so.</summary>
    public MongoUser? User
    {
        get => _user;
        set => _user = value;
    }

    /// <summary>Speaks TLS with this certificate on connections to come.</summary>
    public X509Certificate2? Certificate
    {
        set { foreach (ScriptedMongoMember member in _members) member.Certificate = value; }
    }

    /// <summary>As <see cref="Uri"/>, for somebody else, or with another password.</summary>
    public string UriOf(MongoUser? user)
    {
        string who = user is null ? "" : $"{user.Name}:{System.Uri.EscapeDataString(user.Password)}@";
        string set = _topology == MongoTopology.ReplicaSet ? $"&replicaSet={ScriptedMongoRoles.SetName}" : "";
        return $"mongodb://{who}{string.Join(',', _members.Select(static m => m.Name))}/"
            + $"?heartbeatFrequencyMS=500{set}";
    }

    /// <summary>The commands seen so far under this name.</summary>
    public IReadOnlyList<SeenCommand> Seen(string name)
    {
        lock (_lock) return [.. _seen.Where(c => c.Name == name)];
    }

    /// <summary>What is stored.</summary>
    public IReadOnlyList<MongoDoc> Stored(string database, string collection)
    {
        lock (_lock) return [.. _data.Collection($"{database}.{collection}")];
    }

    /// <summary>Puts a document there, as another program would.</summary>
    public void Put(string database, string collection, MongoDoc document)
    {
        lock (_lock) _data.Add($"{database}.{collection}", [document]);
    }

    /// <summary>Loses documents, as a database does that goes back to an old backup.</summary>
    public void Lose(string database, string collection, Predicate<MongoDoc> which)
    {
        lock (_lock) _data.Remove($"{database}.{collection}", which);
    }

    /// <summary>The next commands of this name meet these faults, one each.</summary>
    public void Next(string command, params ReadOnlySpan<MongoFault> failures)
    {
        lock (_lock)
        {
            if (!_lastFailures.TryGetValue(command, out Queue<MongoFault>? queue))
                _lastFailures[command] = queue = new();
            foreach (MongoFault failure in failures) queue.Enqueue(failure);
        }
    }

    /// <summary>The next member takes writes, and what only the old primary had is lost.</summary>
    public void Elect()
    {
        lock (_lock)
        {
            _data.RollBack();
            _roles.Elect();
        }
    }

    /// <summary>Listens, on the ports it had before.</summary>
    public void Up()
    {
        foreach (ScriptedMongoMember member in _members) member.Up();
    }

    /// <summary>
    /// Closes every connection and refuses new ones, until <see cref="Up"/>. What is stored stays.
    /// </summary>
    public void Down()
    {
        foreach (ScriptedMongoMember member in _members) member.Down();
    }

    /// <summary>The primary alone goes <see cref="Down"/>, and another one takes over.</summary>
    public void LosePrimary()
    {
        ScriptedMongoMember primary;
        lock (_lock) primary = _roles.Primary;
        primary.Down();
        Elect();
    }

    public async ValueTask DisposeAsync()
    {
        Down();
        foreach (ScriptedMongoMember member in _members) await member.EndedAsync();
        _data.Dispose();
    }

    private MongoAnswer Answer(ScriptedMongoMember member, ScriptedMongoLogin login, byte[] head, byte[] body)
    {
        MongoDoc command = ScriptedMongoWire.Read(head, body);
        string name = command.Names.First();
        lock (_lock)
        {
            _seen.Add(new SeenCommand(name, command, member.Port, head.Length + body.Length));
            MongoFault? failure = null;
            if (_lastFailures.TryGetValue(name, out Queue<MongoFault>? failures))
                failures.TryDequeue(out failure);
            MongoDoc answer = failure is { CarryOut: false }
                ? ScriptedMongoData.Ok()
                : CarryOut(member, login, name, command, failure);
            if (failure?.Elects is true) Elect();
            byte[] message = ScriptedMongoWire.Answer(head, (failure?.Answer ?? answer).Encode());
            MongoMisbehaviour misbehaviour = failure?.Misbehaviour ?? MongoMisbehaviour.None;
            return new MongoAnswer(ScriptedMongoWire.Spoil(message, misbehaviour), misbehaviour);
        }
    }

    private MongoDoc CarryOut(
        ScriptedMongoMember member, ScriptedMongoLogin login, string name, MongoDoc command,
        MongoFault? failure)
    {
        switch (name)
        {
            case "hello" or "isMaster":
                return _roles.Hello(member, namesUser: command.Has("saslSupportedMechs"));
            case "saslStart" or "saslContinue":
                return login.Answer(command);
            case "ping" or "endSessions":
                return ScriptedMongoData.Ok();
            case var _ when !login.Done:
                return ScriptedMongoData.Error(Unauthorized, $"command {name} requires authentication");
            case "insert" or "dropDatabase" when member != _roles.Primary:
                return ScriptedMongoData.Error(NotWritablePrimary, "not primary");
            case var _ when member != _roles.Primary && !MayReadSecondary(command):
                return ScriptedMongoData.Error(NotPrimaryNoSecondaryOk, "not primary and secondaryOk=false");
            default:
                return _data.Run(name, command, failure);
        }
    }

    private static bool MayReadSecondary(MongoDoc command) =>
        command["$readPreference"] is MongoDoc preference && preference["mode"] is not "primary";
}
