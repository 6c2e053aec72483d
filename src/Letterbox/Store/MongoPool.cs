// What libmongoc hands out, and who gives it back. Nothing outside this file frees anything native.
//
//    MongoPool ──Rent──▶ MongoLease ──Find──▶ MongoCursor        each ends before the one it came from: a
//    connections,        one client,          one listing,       lease counts as a user of the pool's handle,
//    monitors            three bson_t         page by page       so the pool outlives it in any case
//
// A lease or a cursor has no finalizer: one that is forgotten leaks, rather than run native code on a
// foreign thread after its owner is gone. A reply is destroyed where it was received, after failure too.

using System.Runtime.InteropServices;
using static Letterbox.Store.Libmongoc;

namespace Letterbox.Store;

/// <summary>The connections to one MongoDB deployment. Safe on any thread.</summary>
internal sealed class MongoPool : SafeHandle
{
    internal MongoPool() : base(0, ownsHandle: true)
    {
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Makes a pool; nothing is connected yet, except that an SRV name is looked up.</summary>
    /// <exception cref="StoreException">No libmongoc, or a connection string that cannot be used.</exception>
    public static MongoPool Open(string uri)
    {
        nint parsed = MongoUri.Parse(uri);
        try
        {
            var pool = new MongoPool();
            pool.SetHandle(mongoc_client_pool_new_with_error(parsed, out BsonError error));
            if (pool.IsInvalid) throw MongoUri.Refuse(error);
            mongoc_client_pool_set_error_api(pool.handle, ErrorApi);
            return pool;
        }
        finally
        {
            mongoc_uri_destroy(parsed);
        }
    }

    /// <summary>Takes a client; waits while all of them (100, or what the URI says) are out.</summary>
    /// <exception cref="StoreException">The URI sets waitQueueTimeoutMS, and it has passed.</exception>
    /// <exception cref="ObjectDisposedException">The pool is closed.</exception>
    public MongoLease Rent()
    {
        bool counted = false;
        DangerousAddRef(ref counted);
        nint client = mongoc_client_pool_pop(handle);
        if (client != 0) return new MongoLease(this, client);
        DangerousRelease();
        throw new StoreException("no connection to MongoDB came free within waitQueueTimeoutMS");
    }

    /// <summary>Takes a client back.</summary>
    internal void Return(nint client)
    {
        mongoc_client_pool_push(handle, client);
        DangerousRelease();
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        mongoc_client_pool_destroy(handle);
        return true;
    }
}

/// <summary>A client in use. For one thread.</summary>
internal sealed unsafe class MongoLease(MongoPool pool, nint client) : IDisposable
{
    // Where the three documents of a call are described: command or filter, options, reply.
    private readonly byte* _bson = (byte*)NativeMemory.AlignedAlloc(3 * BsonSize, BsonSize);

    /// <summary>
    /// Runs a command that writes, on the primary, with the write concern of <paramref name="options"/>.
    /// Returns why it failed, or <c>null</c>; the reply may say more, as writes can fail one by one.
    /// </summary>
    public MongoFailure? Write(
        string database, ReadOnlySpan<byte> command, ReadOnlySpan<byte> options, out byte[] reply)
    {
        fixed (byte* commandBytes = command, optionsBytes = options)
        {
            nint at = (nint)_bson;
            Wrap(at, commandBytes, command.Length);
            Wrap(at + BsonSize, optionsBytes, options.Length);
            nint answer = at + (2 * BsonSize);
            bool done = mongoc_client_write_command_with_opts(
                client, database, at, at + BsonSize, answer, out BsonError error);
            reply = Bytes(answer).ToArray();
            bson_destroy(answer);
            return done ? null : MongoFailure.Of(error);
        }
    }

    /// <summary>
    /// Begins to list the documents that match. With <paramref name="primary"/> the primary is asked,
    /// whatever the URI prefers. Nothing is sent before the first <see cref="MongoCursor.Read"/>.
    /// </summary>
    public MongoCursor Find(
        string database, string collection, ReadOnlySpan<byte> filter, ReadOnlySpan<byte> options,
        bool primary)
    {
        fixed (byte* filterBytes = filter, optionsBytes = options)
        {
            nint at = (nint)_bson;
            Wrap(at, filterBytes, filter.Length);
            Wrap(at + BsonSize, optionsBytes, options.Length);
            nint preference = primary ? mongoc_read_prefs_new(ReadPrimary) : 0;
            nint source = mongoc_client_get_collection(client, database, collection);
            // It copies the documents and the preference.
            nint cursor = mongoc_collection_find_with_opts(source, at, at + BsonSize, preference);
            mongoc_read_prefs_destroy(preference);
            return new MongoCursor(source, cursor);
        }
    }

    /// <summary>Gives the client back.</summary>
    public void Dispose()
    {
        NativeMemory.AlignedFree(_bson);
        pool.Return(client);
    }

    internal static ReadOnlySpan<byte> Bytes(nint bson)
    {
        byte* data = bson_get_data(bson);
        return new ReadOnlySpan<byte>(data, *(int*)data);
    }

    private static void Wrap(nint bson, byte* data, int length)
    {
        if (!bson_init_static(bson, data, (nuint)length))
            throw new ArgumentException("not a BSON document", nameof(data));
    }
}

/// <summary>
/// The documents that match, fetched page by page. For one thread; disposed before its lease.
/// </summary>
internal sealed class MongoCursor(nint collection, nint cursor) : IDisposable
{
    private nint _document;

    /// <summary>The document it stands on; valid until the next <see cref="Read"/>.</summary>
    public ReadOnlySpan<byte> Current => MongoLease.Bytes(_document);

    /// <summary>
    /// Goes to the next document; false at the end, and when <see cref="Fault"/> says why not.
    /// </summary>
    public bool Read() => mongoc_cursor_next(cursor, out _document);

    /// <summary>Why the documents ended before their end; <c>null</c> when they did not.</summary>
    public MongoFailure? Fault =>
        mongoc_cursor_error(cursor, out BsonError error) ? MongoFailure.Of(error) : null;

    /// <summary>Ends it here, and on the server.</summary>
    public void Dispose()
    {
        mongoc_cursor_destroy(cursor);
        mongoc_collection_destroy(collection);
    }
}
