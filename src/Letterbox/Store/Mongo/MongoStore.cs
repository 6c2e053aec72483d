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

using System.Diagnostics.CodeAnalysis;
using Letterbox.Messages;
using Letterbox.Store.Delivery;
using MongoDB.Bson;
using MongoDB.Bson.Serialization;
using MongoDB.Bson.Serialization.Serializers;
using MongoDB.Driver;
using MongoDB.Driver.Core.Clusters;

namespace Letterbox.Store.Mongo;

/// <summary>
/// One collection of messages in MongoDB. Safe on any thread, except that a listing is for one.
/// </summary>
internal sealed class MongoStore : IStoredMessages
{
    // One command is one document to MongoDB, 16 MiB at most. Half of that, and one message over it.
    private const int DocumentsMax = 1_000;
    private const int CommandBytesMax = 8 * 1024 * 1024;

    // Under the socket's 10 s: the server's answer, which says more than a broken connection, comes first.
    private const int WriteConcernMilliseconds = 5_000;

    private static readonly BsonDocument s_durably =
        new() { { "w", "majority" }, { "j", true }, { "wtimeout", WriteConcernMilliseconds } };
    private static readonly BsonDocument s_oldestFirst = new() { { "date", 1 }, { "_id", 1 } };

    private readonly MongoUri _uri;
    private readonly string _collection;
    private readonly RecentlyListed _recent = new();
    private readonly Lock _gate = new();
    private MongoClient? _client;
    private ICluster? _cluster;
    private bool _closed;

    // Compiled ahead of time the driver finds these by reflection only, and the compiler leaves them out.
    [DynamicDependency(
        DynamicallyAccessedMemberTypes.PublicConstructors, typeof(BsonDocumentWrapperSerializer))]
    static MongoStore()
    {
        BsonDefaults.DynamicArraySerializer = BsonArraySerializer.Instance;
        BsonDefaults.DynamicDocumentSerializer = BsonDocumentSerializer.Instance;
        BsonSerializer.RegisterSerializer(MessageDocument.Instance);
    }

    private MongoStore(MongoUri uri, string collection) => (_uri, _collection) = (uri, collection);

    /// <summary>
    /// Reads the connection string. MongoDB itself may be away; connections are made when needed.
    /// </summary>
    /// <param name="uri">A connection string; null: not configured, and the result is null.</param>
    /// <param name="database">Without, the one of the URI, or letterbox.</param>
    /// <param name="collection">The collection.</param>
    /// <exception cref="StoreException">The connection string cannot be used.</exception>
    [return: NotNullIfNotNull(nameof(uri))]
    public static MongoStore? Open(string? uri, string? database, string collection) =>
        uri is null ? null : new(new MongoUri(uri, database), collection);

    /// <summary>
    /// Stores a batch with write concern majority, journaled; it can be sent again any number of times.
    /// Takes 5 s when MongoDB is away, about 15 s when it hangs, unless the URI has timeouts of its own.
    /// </summary>
    public async Task<BatchOutcome> InsertAsync(IReadOnlyList<JournalEntry> batch, CancellationToken cancel)
    {
        var rejected = new List<RejectedEntry>();
        try
        {
            for (int from = 0; from < batch.Count;)
            {
                BsonArray documents = Documents(batch, from);
                BsonDocument reply = await Database().RunCommandAsync(Insert(documents), null, cancel);
                DeliveryFailure? failure =
                    await JudgeAsync(InsertReply.Read(reply), batch, from, documents.Count, rejected, cancel);
                if (failure is not null) return new BatchOutcome(failure, []);
                from += documents.Count;
            }

            return new BatchOutcome(null, rejected);
        }
        // Of all kinds: a malformed answer throws whatever its bytes happen to break.
        catch (Exception e)
        {
            return new BatchOutcome(FailureOf(e), []);
        }
    }

    /// <inheritdoc/>
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
    public IEnumerable<StoredMessage> ReadNew() => Read(_recent.WindowStart).Where(_recent.Add);

    /// <summary>The messages stored since a date, as messages have it, oldest first.</summary>
    public IEnumerable<StoredMessage> ReadSince(string date) => Read(date);

    /// <summary>What the primary has under these keys: one command, so a thousand or so at a time.</summary>
    public async Task<IReadOnlyDictionary<MessageKey, StoredMessage>> FindAsync(
        IReadOnlyList<MessageKey> keys, CancellationToken cancel = default)
    {
        try
        {
            return await FindKeysAsync(keys, cancel);
        }
        catch (Exception e)
        {
            throw Unreadable(e);
        }
    }

    /// <summary>Closes the connections; what is under way fails.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            if (_client is null) return;
            _client.Dispose();
            // The driver keeps a cluster's connections and threads for the next client, unless told so.
            if (_cluster is not null) ClusterRegistry.Instance.UnregisterAndDisposeCluster(_cluster);
        }
    }

    private IMongoDatabase Database()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            // Not before there is something to bring: an SRV name is looked up here, and DNS that is away is
            // an outage like others.
            if (_client is null)
            {
                _client = new MongoClient(_uri.ToClientSettings());
                _cluster = _client.Cluster;
            }

            return _client.GetDatabase(_uri.Database);
        }
    }

    private IMongoCollection<StoredMessage> Collection() =>
        Database().GetCollection<StoredMessage>(_collection);

    private BsonDocumentCommand<BsonDocument> Insert(BsonArray documents) => new(
        new BsonDocument
        {
            { "insert", _collection }, { "ordered", false }, { "writeConcern", s_durably },
            { "documents", documents },
        },
        BsonDocumentSerializer.Instance);

    // As many as one command may hold.
    private static BsonArray Documents(IReadOnlyList<JournalEntry> batch, int from)
    {
        int end = Math.Min(batch.Count, from + DocumentsMax);
        var documents = new BsonArray(end - from);
        for (int at = from, bytes = 0; at < end && bytes < CommandBytesMax; at++)
        {
            StoredMessage message = batch[at].Message;
            bytes += MessageDocument.SizeOf(message);
            documents.Add(new BsonDocumentWrapper(message, MessageDocument.Instance));
        }

        return documents;
    }

    // Returns why nothing is certain, or null.
    private async Task<DeliveryFailure?> JudgeAsync(
        InsertReply reply, IReadOnlyList<JournalEntry> batch, int from, int count,
        List<RejectedEntry> rejected, CancellationToken cancel)
    {
        long reported = reply.Inserted + reply.Errors.Count;
        if (reported < count) return new($"MongoDB's answer speaks of {reported} of {count} messages");

        var duplicates = new List<ServerError>();
        foreach (ServerError error in reply.Errors)
        {
            if (error.Index < 0 || error.Index >= count)
                return new($"MongoDB's answer names message {error.Index} of {count}");
            int index = from + (int)error.Index;
            string reason = error.ToString();
            switch (MongoFailure.Meaning(error.Code))
            {
                case WriteErrorKind.Duplicate: duplicates.Add(error); break;
                case WriteErrorKind.Poison: rejected.Add(new(index, reason)); break;
                case WriteErrorKind.NeedsOperator: return new(reason, NeedsOperator: true);
                case WriteErrorKind.Transient: return new(reason);
                case WriteErrorKind.Unknown when reply.IsTransient: return new(reason);
                default: rejected.Add(new(index, reason, IsPermanent: false)); break;
            }
        }

        if (duplicates.Count > 0) await JudgeDuplicatesAsync(duplicates, batch, from, rejected, cancel);
        return null;
    }

    // Reads what stands under the keys that are taken.
    private async Task JudgeDuplicatesAsync(
        List<ServerError> duplicates, IReadOnlyList<JournalEntry> batch, int from,
        List<RejectedEntry> rejected, CancellationToken cancel)
    {
        MessageKey[] keys = [.. duplicates.Select(error => batch[from + (int)error.Index].Message.Id)];
        Dictionary<MessageKey, StoredMessage> there = await FindKeysAsync(keys, cancel);
        foreach (ServerError error in duplicates)
        {
            int index = from + (int)error.Index;
            StoredMessage ours = batch[index].Message;
            if (!there.TryGetValue(ours.Id, out StoredMessage? stored))
                rejected.Add(new(index, error.ToString()));
            else if (!ours.IsSameAs(stored))
                rejected.Add(new(index, RejectedEntry.Conflict));
        }
    }

    private async Task<Dictionary<MessageKey, StoredMessage>> FindKeysAsync(
        IReadOnlyList<MessageKey> keys, CancellationToken cancel)
    {
        var filter = new BsonDocument("_id", new BsonDocument("$in", new BsonArray(
            keys.Select(MessageDocument.ToBson))));
        // The primary is asked: a secondary that the URI prefers may not have heard of the document yet.
        IMongoCollection<StoredMessage> primary = Collection().WithReadPreference(ReadPreference.Primary);
        using IAsyncCursor<StoredMessage> cursor = await primary.FindAsync(
            (FilterDefinition<StoredMessage>)filter, cancellationToken: cancel);
        var there = new Dictionary<MessageKey, StoredMessage>();
        while (await cursor.MoveNextAsync(cancel))
        {
            foreach (StoredMessage message in cursor.Current) there[message.Id] = message;
        }

        return there;
    }

    private IEnumerable<StoredMessage> Read(string? since)
    {
        BsonDocument filter = since is null ? [] : new("date", new BsonDocument("$gte", since));
        FindOptions<StoredMessage> options =
            new() { Sort = s_oldestFirst, AllowDiskUse = true, BatchSize = DocumentsMax };
        using IAsyncCursor<StoredMessage> cursor = Readable(
            () => Collection().FindSync((FilterDefinition<StoredMessage>)filter, options));
        while (Readable(() => cursor.MoveNext()))
        {
            foreach (StoredMessage message in cursor.Current) yield return message;
        }
    }

    private T Readable<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e)
        {
            throw Unreadable(e);
        }
    }

    private StoreException Unreadable(Exception e) => new($"cannot read from MongoDB: {FailureOf(e).Reason}");

    private DeliveryFailure FailureOf(Exception e) => MongoFailure.Of(e, _cluster?.Description);
}
