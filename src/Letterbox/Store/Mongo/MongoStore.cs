// MongoDB as a destination: the relay inserts messages in batches; a listing reads them.
//
//    insert command ──▶ failed, or the write concern not met ──▶ nothing is certain: the same batch again
//                  └──▶ done; the outcome of each document:
//                         no error                                            stored
//                         11000, and the document with that key is equal      stored, by an earlier attempt
//                         11000, and it is a different one                    rejected: conflict
//                         11000, and there is none                            rejected: another unique index
//                         poison                                              rejected permanently
//                         needs an operator, or transient                     nothing is certain
//                         anything else                                       rejected, perhaps temporarily
//
// The meanings of the codes are in MongoFailure.cs.
//
// Does a duplicate key prove that the earlier attempt is durable? Not by itself: it may have reached only the
// primary. But a write that changes nothing also waits for the write concern: the server waits for the newest
// operation it knows, and the document was written before that (SERVER-18522, since 3.2; LastOpFixer in
// write_ops_exec.cpp; its test noop_writes_wait_for_write_concern.js inserts a duplicate). So without a
// writeConcernError, 11000 means durable.

using System.Diagnostics.CodeAnalysis;
using Letterbox.Messages;
using Letterbox.Store.Delivery;
using MongoDB.Bson;
using MongoDB.Bson.Serialization;
using MongoDB.Bson.Serialization.Serializers;
using MongoDB.Driver;
using MongoDB.Driver.Core.Clusters;

namespace Letterbox.Store.Mongo;

// One collection of messages in MongoDB. Thread-safe, except for listings.
internal sealed class MongoStore : IStoredMessages
{
    private const int CursorBatch = 1_000;

    // Less than the socket timeout of 10 s, so that the server's reply comes first, which explains more.
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

    // The driver finds these by reflection only, so the ahead-of-time compiler would leave them out.
    [DynamicDependency(
        DynamicallyAccessedMemberTypes.PublicConstructors, typeof(BsonDocumentWrapperSerializer))]
    static MongoStore()
    {
        BsonDefaults.DynamicArraySerializer = BsonArraySerializer.Instance;
        BsonDefaults.DynamicDocumentSerializer = BsonDocumentSerializer.Instance;
        BsonSerializer.RegisterSerializer(MessageDocument.Instance);
    }

    private MongoStore(MongoUri uri, string collection) => (_uri, _collection) = (uri, collection);

    // Parses the connection string. Connections are made when needed.
    // uri: A connection string; null: not configured, and the result is null.
    // database: null: the one in the URI, or letterbox.
    [return: NotNullIfNotNull(nameof(uri))]
    public static MongoStore? Open(string? uri, string? database, string collection) =>
        uri is null ? null : new(new MongoUri(uri, database), collection);

    // Stores a batch with write concern majority, journaled; idempotent. Takes 5 s when MongoDB is down and
    // about 15 s when it hangs, unless the URI sets timeouts. A batch is one command, a document of at most
    // 16 MiB: a page of the journal fits.
    public async Task<BatchOutcome> InsertAsync(IReadOnlyList<JournalEntry> batch, CancellationToken cancel)
    {
        try
        {
            BsonDocument reply = await Database().RunCommandAsync(
                batch.Count == 0 ? Command(new("ping", 1)) : Insert(batch), null, cancel);
            var rejected = new List<RejectedEntry>();
            DeliveryFailure? failure = batch.Count == 0
                ? null
                : await ClassifyAsync(InsertReply.Read(reply), batch, rejected, cancel);
            return new BatchOutcome(failure, failure is null ? rejected : []);
        }
        // Of any type: a malformed reply can cause any exception.
        catch (Exception e)
        {
            return new BatchOutcome(FailureOf(e), []);
        }
    }

    public IEnumerable<StoredMessage> ReadAll()
    {
        _recent.Clear();
        foreach (StoredMessage message in ReadSince(null))
        {
            _recent.Add(message);
            yield return message;
        }
    }

    // Skips documents that Letterbox did not write, see RecentlyListed.cs.
    public IEnumerable<StoredMessage> ReadNew() => ReadSince(_recent.WindowStart).Where(_recent.Add);

    // The messages since a date, or all: oldest first, streamed.
    public IEnumerable<StoredMessage> ReadSince(string? date)
    {
        BsonDocument filter = date is null ? [] : new("date", new BsonDocument("$gte", date));
        FindOptions<StoredMessage> options =
            new() { Sort = s_oldestFirst, AllowDiskUse = true, BatchSize = CursorBatch };
        using IAsyncCursor<StoredMessage> cursor = Readable(
            () => Collection().FindSync((FilterDefinition<StoredMessage>)filter, options));
        while (Readable(() => cursor.MoveNext()))
        {
            foreach (StoredMessage message in cursor.Current) yield return message;
        }
    }

    // What the primary has under these keys: one command, about a thousand at a time.
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

    // Closes the connections; running operations fail.
    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            if (_client is null) return;
            _client.Dispose();
            // Otherwise the driver keeps a cluster's connections and threads for the next client.
            if (_cluster is not null) ClusterRegistry.Instance.UnregisterAndDisposeCluster(_cluster);
        }
    }

    private IMongoDatabase Database()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            // Not before the first use: this resolves an SRV name, and a DNS failure is treated like any
            // outage.
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

    private static BsonDocumentCommand<BsonDocument> Command(BsonDocument command) =>
        new(command, BsonDocumentSerializer.Instance);

    private BsonDocumentCommand<BsonDocument> Insert(IReadOnlyList<JournalEntry> batch) => Command(new()
    {
        { "insert", _collection }, { "ordered", false }, { "writeConcern", s_durably },
        {
            "documents", new BsonArray(batch.Select(static entry =>
                new BsonDocumentWrapper(entry.Message, MessageDocument.Instance)))
        },
    });

    // Null: each document is stored or in `rejected`.
    private async Task<DeliveryFailure?> ClassifyAsync(
        InsertReply reply, IReadOnlyList<JournalEntry> batch, List<RejectedEntry> rejected,
        CancellationToken cancel)
    {
        long reported = reply.Inserted + reply.Errors.Count;
        if (reported < batch.Count)
            return new($"MongoDB's reply covers {reported} of {batch.Count} messages");

        var duplicates = new List<ServerError>();
        foreach (ServerError error in reply.Errors)
        {
            if (error.Index < 0 || error.Index >= batch.Count)
                return new($"MongoDB's reply names message {error.Index} of {batch.Count}");
            int index = (int)error.Index;
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

        if (duplicates.Count > 0) await ClassifyDuplicatesAsync(duplicates, batch, rejected, cancel);
        return null;
    }

    // Reads the documents that have the keys.
    private async Task ClassifyDuplicatesAsync(
        List<ServerError> duplicates, IReadOnlyList<JournalEntry> batch, List<RejectedEntry> rejected,
        CancellationToken cancel)
    {
        MessageKey[] keys = [.. duplicates.Select(error => batch[(int)error.Index].Message.Id)];
        Dictionary<MessageKey, StoredMessage> there = await FindKeysAsync(keys, cancel);
        foreach (ServerError error in duplicates)
        {
            int index = (int)error.Index;
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
        // From the primary: a secondary that the URI prefers may not have the document yet.
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
