// Test code. What the scripted MongoDB server stores, and its commands on it: insert, find, getMore,
// killCursors, count, dropDatabase. In memory, and in a file if there is one; `_id` is unique.

using Letterbox.Messages;

namespace Letterbox.Tests.Support;

/// <summary>Collections and cursors. Not thread-safe: the server holds its lock.</summary>
internal sealed class ScriptedMongoData : IDisposable
{
    private const int DuplicateKey = 11000, WriteConcernTimeout = 64;

    private readonly ScriptedMongoFile? _file;
    private readonly Dictionary<string, List<MongoDoc>> _collections = [];
    private readonly Dictionary<long, (string Namespace, Queue<MongoDoc> Left)> _cursors = [];
    private long _lastCursor = 1000;
    private (List<MongoDoc>? Collection, HashSet<object> Ids) _taken = (null, []);
    private readonly List<(List<MongoDoc> Collection, MongoDoc Document)> _onPrimaryOnly = [];
    private bool _replicates = true;

    /// <summary>Reads the file, if one is given.</summary>
    public ScriptedMongoData(string? file)
    {
        if (file is null) return;
        _file = new ScriptedMongoFile(file);
        foreach ((string ns, MongoDoc document) in _file.Read()) Collection(ns).Add(document);
    }

    /// <summary>See <see cref="ScriptedMongo.Replicates"/>.</summary>
    public bool Replicates
    {
        set
        {
            if (_file is not null) throw new NotSupportedException("what is on disk cannot be rolled back");
            _replicates = value;
            if (value) _onPrimaryOnly.Clear();
        }
    }

    /// <summary>Most documents in one page of a cursor.</summary>
    public int PageMax { get; set; } = 101;

    public int RolledBack { get; private set; }

    public int OpenCursors => _cursors.Count;

    public List<MongoDoc> Collection(string name)
    {
        if (!_collections.TryGetValue(name, out List<MongoDoc>? documents))
            _collections[name] = documents = [];
        return documents;
    }

    public void Add(string ns, IReadOnlyCollection<MongoDoc> documents)
    {
        _file?.Add(ns, documents);
        List<MongoDoc> collection = Collection(ns);
        collection.AddRange(documents);
        if (!_replicates) _onPrimaryOnly.AddRange(documents.Select(d => (collection, d)));
    }

    public void Remove(string ns, Predicate<MongoDoc> which)
    {
        if (_file is not null) throw new NotSupportedException("the file only grows");
        Collection(ns).RemoveAll(which);
        _taken.Collection = null;
    }

    /// <summary>Forgets what only the primary had; replication goes on.</summary>
    public void RollBack()
    {
        foreach ((List<MongoDoc> there, MongoDoc document) in _onPrimaryOnly) there.Remove(document);
        RolledBack += _onPrimaryOnly.Count;
        _onPrimaryOnly.Clear();
        _taken.Collection = null;
        _replicates = true;
    }

    public void Dispose() => _file?.Dispose();

    public MongoDoc Run(string name, MongoDoc command, MongoFault? failure)
    {
        string database = (string)command["$db"]!;
        string Namespace() => $"{database}.{command[name]}";
        switch (name)
        {
            case "insert": return Insert(Namespace(), command, failure);
            case "find": return Find(Namespace(), command);
            case "getMore": return GetMore((long)command["getMore"]!, command);
            case "killCursors":
                foreach (object? id in (object?[])command["cursors"]!) _cursors.Remove((long)id!);
                return Ok();
            case "count":
                return Ok(("n", Matching(Collection(Namespace()), command["query"] as MongoDoc).Count()));
            case "dropDatabase" when _file is null:
                foreach (string ns in _collections.Keys.Where(k => k.Split('.')[0] == database).ToArray())
                    _collections.Remove(ns);
                return Ok();
            default:
                return Error(59, $"no such command: '{name}'");
        }
    }

    public static MongoDoc Ok(params (string Name, object? Value)[] fields)
    {
        var answer = new MongoDoc();
        foreach ((string name, object? value) in fields) answer.Add(name, value);
        answer.Add("ok", 1.0);
        return answer;
    }

    public static MongoDoc Error(int code, string text) => Reason(code, text, ("ok", 0.0));

    private static MongoDoc Reason(int code, string text, params (string Name, object? Value)[] fields)
    {
        var reason = new MongoDoc();
        foreach ((string name, object? value) in fields) reason.Add(name, value);
        reason.Add("code", code);
        reason.Add("errmsg", text);
        return reason;
    }

    private MongoDoc Insert(string ns, MongoDoc command, MongoFault? failure)
    {
        bool ordered = command["ordered"] as bool? ?? true;
        var inserted = new List<MongoDoc>();
        var errors = new List<object?>();
        var documents = (object?[])command["documents"]!;
        HashSet<object> taken = Taken(Collection(ns));
        for (int i = 0; i < documents.Length && !(ordered && errors.Count > 0); i++)
        {
            var document = (MongoDoc)documents[i]!;
            int code = failure?.WriteErrors.GetValueOrDefault(i) ?? 0;
            if (code == 0 && !taken.Add(document["_id"]!)) code = DuplicateKey;
            if (code == 0) inserted.Add(document);
            else errors.Add(Reason(code, $"scripted {code}", ("index", i)));
        }

        if (inserted.Count > 0) Add(ns, inserted);
        MongoDoc answer = Ok(("n", inserted.Count));
        if (errors.Count > 0) answer.Add("writeErrors", errors.ToArray());
        if ((failure?.WriteConcernError ?? NotOnMajority(command)) is { } notDurable)
            answer.Add("writeConcernError", notDurable);
        return answer;
    }

    // A write that changed nothing waits for the majority too, as on a real server.
    private MongoDoc? NotOnMajority(MongoDoc command) =>
        !_replicates && (command["writeConcern"] as MongoDoc)?["w"] is "majority"
            ? Reason(WriteConcernTimeout, "waiting for replication timed out")
            : null;

    // The keys of a collection, kept from one insert to the next unless somebody has put a document there.
    private HashSet<object> Taken(List<MongoDoc> collection)
    {
        if (_taken.Collection != collection || _taken.Ids.Count != collection.Count)
            _taken = (collection, [.. collection.Select(static d => d["_id"]!)]);
        return _taken.Ids;
    }

    private MongoDoc Find(string ns, MongoDoc command)
    {
        IEnumerable<MongoDoc> found = Matching(Collection(ns), command["filter"] as MongoDoc);
        if (command["sort"] is MongoDoc sort)
            found = found.Order(Comparer<MongoDoc>.Create((a, b) => Compare(a, b, sort)));
        if (Convert.ToInt32(command["limit"]) is > 0 and var most) found = found.Take(most);
        var rest = new Queue<MongoDoc>(found);
        object?[] page = Page(rest, command["batchSize"]);
        long id = 0;
        if (rest.Count > 0 && command["singleBatch"] is not true) _cursors[id = ++_lastCursor] = (ns, rest);
        return Ok(("cursor", new MongoDoc { { "firstBatch", page }, { "id", id }, { "ns", ns } }));
    }

    private MongoDoc GetMore(long id, MongoDoc command)
    {
        if (!_cursors.TryGetValue(id, out (string Namespace, Queue<MongoDoc> Left) cursor))
            return Error(43, $"cursor id {id} not found");
        object?[] page = Page(cursor.Left, command["batchSize"]);
        if (cursor.Left.Count == 0) _cursors.Remove(id);
        long next = cursor.Left.Count == 0 ? 0 : id;
        var answer = new MongoDoc { { "nextBatch", page }, { "id", next }, { "ns", cursor.Namespace } };
        return Ok(("cursor", answer));
    }

    private object?[] Page(Queue<MongoDoc> rest, object? batchSize)
    {
        int size = Math.Min(PageMax, batchSize is null ? PageMax : Convert.ToInt32(batchSize));
        var page = new List<object?>();
        while (page.Count < size && rest.TryDequeue(out MongoDoc? document)) page.Add(document);
        return [.. page];
    }

    private static IEnumerable<MongoDoc> Matching(List<MongoDoc> documents, MongoDoc? filter) =>
        documents.Where(d => filter is null || filter.All(f => Matches(d[f.Key], f.Value)));

    private static bool Matches(object? value, object? condition) => condition switch
    {
        MongoDoc c when c.Has("$in") => ((object?[])c["$in"]!).Contains(value),
        MongoDoc c when c.Has("$gte") =>
            value is string s && string.CompareOrdinal(s, (string)c["$gte"]!) >= 0,
        _ => Equals(value, condition),
    };

    private static int Compare(MongoDoc a, MongoDoc b, MongoDoc sort)
    {
        foreach ((string field, object? direction) in sort)
        {
            int order = Compare(a[field], b[field]);
            if (order != 0) return Convert.ToInt32(direction) < 0 ? -order : order;
        }

        return 0;
    }

    private static int Compare(object? a, object? b)
    {
        int byType = Rank(a).CompareTo(Rank(b));
        if (byType != 0) return byType;
        return (a, b) switch
        {
            (string x, string y) => string.CompareOrdinal(x, y),
            (MessageKey x, MessageKey y) => x.CompareTo(y),
            _ when Rank(a) == 1 => Convert.ToDouble(a).CompareTo(Convert.ToDouble(b)),
            _ => 0,
        };
    }

    // MongoDB's order of types: null, numbers, strings, documents, arrays, ObjectIds, the rest.
    private static int Rank(object? value) => value switch
    {
        null => 0,
        int or long or double => 1,
        string => 2,
        MongoDoc => 3,
        object?[] => 4,
        MessageKey => 5,
        _ => 6,
    };
}
