// MongoDB, where messages end their journey. The relay inserts them in batches; a listing reads them.
//
//    insert command ──▶ failed, or the write concern not met ──▶ nothing is certain: the same batch again
//                  └──▶ done; each document is judged by itself:
//                         no error                                            stored
//                         11000, and the document under that key is this one  stored, by an earlier try
//                         11000, and another is under that key                refused: conflict
//                         11000, and none is                                  refused: another unique index
//                         poison                                              refused: it will never fit
//                         a fault of the place or of the moment               nothing is certain
//                         anything else                                       refused: perhaps not for good
//
// Which code means what is in MongoFailure.cs.
//
// Is a duplicate key proof that the earlier try is durable? By itself no: it may have reached the primary
// only. But a write that changes nothing because of what it found waits for the write concern all the same:
// the server then waits for the newest operation it knows of, which the one that it found came before
// (SERVER-18522, since 3.2; LastOpFixer in write_ops_exec.cpp; its test
// noop_writes_wait_for_write_concern.js inserts a duplicate). So with no writeConcernError, 11000 is
// durable too.

namespace Letterbox.Store;

/// <summary>One collection of messages in MongoDB.</summary>
/// <remarks>
/// Every call blocks its thread. <see cref="Insert"/> may be called on any thread; the listing is for one
/// thread, which may be another.
/// </remarks>
public sealed class MongoStore : IStoredMessages
{
    /// <summary>The reason of an entry whose key is taken by a different document.</summary>
    public const string Conflict = RefusedEntry.Conflict;

    // One command is one document to MongoDB, 16 MiB at most. Half of that, and one message over it.
    private const int DocumentsMax = 1_000;
    private const int CommandBytesMax = 8 * 1024 * 1024;

    // Under the socket's 10 s: the server's answer, which says more than a broken connection, comes first.
    private const int WriteConcernMilliseconds = 5_000;

    private static readonly byte[] s_durably = WriteOptions();
    private static readonly byte[] s_oldestFirst = ListOptions();
    private static readonly byte[] s_one = Document(static bson => bson.Int32("limit"u8, 1));
    private static readonly byte[] s_plain = Document(static _ => { });

    private readonly string _uri;
    private readonly string _database;
    private readonly string _collection;
    private readonly RecentlyListed _recent = new();
    private readonly Lock _gate = new();
    private MongoPool? _pool;
    private volatile bool _closed;

    private MongoStore(string uri, string database, string collection) =>
        (_uri, _database, _collection) = (uri, database, collection);

    /// <summary>
    /// Loads libmongoc and reads the connection string. MongoDB itself may be away; connections are made
    /// when needed.
    /// </summary>
    /// <param name="uri">A connection string; what it does not say of timeouts is set.</param>
    /// <param name="database">Name of the database.</param>
    /// <param name="collection">Name of the collection.</param>
    /// <exception cref="StoreException">No libmongoc, or a connection string that cannot be used.</exception>
    public static MongoStore Open(string uri, string database, string collection)
    {
        var store = new MongoStore(uri, database, collection);
        // The pool of an SRV name is made by a look-up in DNS, and DNS that is away is an outage like others:
        // it is tried again when there is something to bring.
        if (uri.StartsWith("mongodb+srv://", StringComparison.Ordinal)) MongoUri.Check(uri);
        else store.Pool();
        return store;
    }

    /// <summary>The one that is configured; <c>null</c>: none is.</summary>
    /// <exception cref="StoreException">As the other <c>Open</c>.</exception>
    public static MongoStore? Open(Settings settings) =>
        settings.MongoUri is { } uri ? Open(uri, settings.MongoDatabase, settings.MongoCollection) : null;

    /// <summary>
    /// Stores a batch with write concern majority, journaled; it can be sent again any number of times.
    /// Blocks for 5 s when MongoDB is away, for about 15 s when it hangs, unless the URI has timeouts of its
    /// own.
    /// </summary>
    public BatchOutcome Insert(IReadOnlyList<JournalEntry> batch)
    {
        var refused = new List<RefusedEntry>();
        try
        {
            using MongoLease lease = Pool().Rent();
            for (int from = 0; from < batch.Count;)
            {
                using var command = new BsonWriter();
                int count = WriteInsert(command, batch, from);
                if (Send(lease, command, batch, from, count, refused) is { } failure)
                    return BatchOutcome.Of(failure);
                from += count;
            }

            return new BatchOutcome(Stored: true, Fault: null, refused);
        }
        catch (InvalidDataException e)
        {
            return BatchOutcome.Of(new MongoFailure($"MongoDB's answer holds {e.Message}"));
        }
        catch (StoreException e)
        {
            return BatchOutcome.Of(new MongoFailure(e.Message));
        }
    }

    /// <inheritdoc/>
    /// <exception cref="StoreException">MongoDB is away, or went away in the middle.</exception>
    public IEnumerable<StoredMessage> ReadAll()
    {
        _recent.Clear();
        foreach (StoredMessage message in Read(since: null))
        {
            _recent.Add(message);
            yield return message;
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Documents that are not Letterbox's are passed over here. The rule is in RecentlyListed.cs.
    /// </remarks>
    /// <exception cref="StoreException">MongoDB is away, or went away in the middle.</exception>
    public IEnumerable<StoredMessage> ReadNew() => Read(_recent.WindowStart).Where(_recent.Add);

    /// <summary>
    /// The messages stored since a date, as messages have it, oldest first, streamed.
    /// </summary>
    /// <exception cref="StoreException">MongoDB is away, or went away in the middle.</exception>
    public IEnumerable<StoredMessage> ReadSince(string date) => Read(date);

    /// <summary>
    /// What the primary has under these keys: one command, so a thousand or so at a time.
    /// </summary>
    /// <exception cref="StoreException">MongoDB is away.</exception>
    public IReadOnlyDictionary<ObjectId, StoredMessage> Find(IReadOnlyList<ObjectId> keys)
    {
        using MongoLease lease = Pool().Rent();
        var there = new Dictionary<ObjectId, StoredMessage>();
        if (Find(lease, keys, there) is { } failure) throw Unreadable(failure.Reason);
        return there;
    }

    /// <summary>
    /// Asks the primary for one message, which takes a connection, a login and the right to read. Returns
    /// why that failed, or <c>null</c>.
    /// </summary>
    public string? Ping()
    {
        using MongoLease lease = Pool().Rent();
        using MongoCursor cursor = lease.Find(_database, _collection, s_plain, s_one, primary: true);
        cursor.Read();
        return cursor.Fault?.Reason;
    }

    /// <summary>Closes the connections, once the call or listing that is under way has ended.</summary>
    public void Dispose()
    {
        _closed = true;
        // Not waited for: who has the lock may look up a name in DNS, and closes what he makes himself.
        if (!_gate.TryEnter()) return;
        try
        {
            _pool?.Dispose();
        }
        finally
        {
            _gate.Exit();
        }
    }

    private MongoPool Pool()
    {
        try
        {
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_closed, this);
                return _pool ??= MongoPool.Open(_uri);
            }
        }
        finally
        {
            if (_closed) Dispose();
        }
    }

    /// <summary>Writes an insert command of as many entries as one may hold. Returns how many.</summary>
    private int WriteInsert(BsonWriter command, IReadOnlyList<JournalEntry> batch, int from)
    {
        int end = Math.Min(batch.Count, from + DocumentsMax);
        int at = from;
        int document = command.Begin();
        command.String("insert"u8, _collection);
        command.Bool("ordered"u8, false);
        int documents = command.BeginArray("documents"u8);
        while (at < end && command.Written.Length < CommandBytesMax)
        {
            MessageDocument.Write(command, at - from, batch[at].Message);
            at++;
        }

        command.End(documents);
        command.End(document);
        return at - from;
    }

    /// <summary>
    /// Sends one command and judges the answer. Returns why nothing is certain, or <c>null</c>.
    /// </summary>
    private MongoFailure? Send(
        MongoLease lease, BsonWriter command, IReadOnlyList<JournalEntry> batch, int from, int count,
        List<RefusedEntry> refused)
    {
        if (lease.Write(_database, command.Written, s_durably, out byte[] answer) is { } failure)
            return failure;
        InsertReply reply = InsertReply.Read(answer);
        if (reply.WriteConcernFault is { } notDurable) return new(notDurable);
        long told = reply.Inserted + reply.Errors.Count;
        if (told < count) return new($"MongoDB's answer speaks of {told} of {count} messages");

        var duplicates = new List<WriteError>();
        foreach (WriteError error in reply.Errors)
        {
            if ((uint)error.Index >= (uint)count)
                return new($"MongoDB's answer names message {error.Index} of {count}");
            string reason = InsertReply.Describe(error);
            switch (MongoFailure.Meaning(error.Code))
            {
                case Refusal.Duplicate: duplicates.Add(error); break;
                case Refusal.Poison: refused.Add(new(from + error.Index, reason)); break;
                case Refusal.Place: return new(reason, OfThePlace: true);
                case Refusal.Transient: return new(reason);
                case Refusal.Doubtful when reply.IsTransient: return new(reason);
                default: refused.Add(new(from + error.Index, reason, ForGood: false)); break;
            }
        }

        return duplicates.Count == 0 ? null : JudgeDuplicates(lease, duplicates, batch, from, refused);
    }

    /// <summary>
    /// Reads what stands under the keys that are taken. Returns why nothing is certain, or <c>null</c>.
    /// </summary>
    private MongoFailure? JudgeDuplicates(
        MongoLease lease, List<WriteError> duplicates, IReadOnlyList<JournalEntry> batch, int from,
        List<RefusedEntry> refused)
    {
        var there = new Dictionary<ObjectId, StoredMessage>();
        ObjectId[] keys = [.. duplicates.Select(error => batch[from + error.Index].Message.Id)];
        if (Find(lease, keys, there) is { } failure) return failure;
        foreach (WriteError error in duplicates)
        {
            StoredMessage ours = batch[from + error.Index].Message;
            if (!there.TryGetValue(ours.Id, out StoredMessage? stored))
                refused.Add(new(from + error.Index, InsertReply.Describe(error)));
            else if (!ours.IsSameAs(stored))
                refused.Add(new(from + error.Index, Conflict));
        }

        return null;
    }

    /// <summary>Fills in what stands under the keys. Returns why that failed, or <c>null</c>.</summary>
    private MongoFailure? Find(
        MongoLease lease, IReadOnlyList<ObjectId> keys, Dictionary<ObjectId, StoredMessage> there)
    {
        byte[] filter = Document(bson =>
        {
            int id = bson.Begin("_id"u8);
            int array = bson.BeginArray("$in"u8);
            for (int i = 0; i < keys.Count; i++) bson.ObjectId(i, keys[i]);
            bson.End(array);
            bson.End(id);
        });
        // The primary is asked: a secondary that the URI prefers may not have heard of the document yet.
        using MongoCursor cursor = lease.Find(_database, _collection, filter, s_plain, primary: true);
        while (cursor.Read())
        {
            StoredMessage message = Decode(cursor);
            there[message.Id] = message;
        }

        return cursor.Fault;
    }

    private IEnumerable<StoredMessage> Read(string? since)
    {
        byte[] filter = since is null ? s_plain : Document(bson =>
        {
            int date = bson.Begin("date"u8);
            bson.String("$gte"u8, since);
            bson.End(date);
        });
        using MongoLease lease = Pool().Rent();
        using MongoCursor cursor = lease.Find(_database, _collection, filter, s_oldestFirst, primary: false);
        while (cursor.Read()) yield return Decode(cursor);
        if (cursor.Fault is { } failure) throw Unreadable(failure.Reason);
    }

    private static StoredMessage Decode(MongoCursor cursor)
    {
        try
        {
            return MessageDocument.Read(cursor.Current);
        }
        catch (InvalidDataException e)
        {
            throw Unreadable($"its answer holds {e.Message}");
        }
    }

    private static StoreException Unreadable(string reason) => new($"cannot read from MongoDB: {reason}");

    private static byte[] Document(Action<BsonWriter> elements)
    {
        using var bson = new BsonWriter();
        int document = bson.Begin();
        elements(bson);
        bson.End(document);
        return bson.Written.ToArray();
    }

    private static byte[] WriteOptions() => Document(static bson =>
    {
        int concern = bson.Begin("writeConcern"u8);
        bson.String("w"u8, "majority");
        bson.Bool("j"u8, true);
        bson.Int32("wtimeout"u8, WriteConcernMilliseconds);
        bson.End(concern);
    });

    private static byte[] ListOptions() => Document(static bson =>
    {
        int sort = bson.Begin("sort"u8);
        bson.Int32("date"u8, 1);
        bson.Int32("_id"u8, 1);
        bson.End(sort);
        bson.Bool("allowDiskUse"u8, true);
    });
}
