// Test code. A small MongoDB server that misbehaves on demand, to be used through the real libmongoc.
//
//    message   int32 length | int32 id | int32 in answer to | int32 opcode | body
//    2013      OP_MSG: u32 flags | sections: 00 document, or 01 int32 size, name 00, documents
//    2004      OP_QUERY, only for hello: int32 flags | collection 00 | int32 skip | int32 count | document
//    1         OP_REPLY: int32 flags | int64 cursor | int32 from | int32 documents | document

using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Letterbox.Tests.Support;

/// <summary>A command that the server was sent, as it was sent.</summary>
internal sealed record SeenCommand(string Name, MongoDoc Body)
{
    /// <summary>Number of documents of an insert.</summary>
    public int Documents => Body["documents"] is object?[] documents ? documents.Length : 0;
}

/// <summary>
/// The server: a standalone, or a replica set of one when it is given the name of one. Listens on a free port
/// of loopback from the start. Safe on any thread.
/// </summary>
internal sealed class ScriptedMongo : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly string? _replicaSet;
    private readonly ScriptedMongoData _data = new();
    private readonly Dictionary<string, Queue<MongoFault>> _faults = [];
    private readonly List<SeenCommand> _seen = [];
    private readonly HashSet<Socket> _connections = [];
    private readonly List<Task> _tasks = [];
    private Socket? _listener;
    private int _accepted;

    public ScriptedMongo(string? replicaSet = null)
    {
        _replicaSet = replicaSet;
        Up();
    }

    public int Port { get; private set; }

    /// <summary>With room for options: it ends in one.</summary>
    public string Uri =>
        $"mongodb://127.0.0.1:{Port}/?heartbeatFrequencyMS=500"
        + (_replicaSet is null ? "" : $"&replicaSet={_replicaSet}");

    /// <summary>With short timeouts, so that a server that is frozen or down costs a test little.</summary>
    public string ImpatientUri => Uri + "&serverSelectionTimeoutMS=1000&socketTimeoutMS=500";

    /// <summary>Connections accepted so far.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    public int OpenCursors
    {
        get { lock (_lock) return _data.OpenCursors; }
    }

    public int PageMax
    {
        set { lock (_lock) _data.PageMax = value; }
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
        lock (_lock) _data.Collection($"{database}.{collection}").Add(document);
    }

    /// <summary>Loses documents, as a database does that goes back to an old backup.</summary>
    public void Lose(string database, string collection, Predicate<MongoDoc> which)
    {
        lock (_lock) _data.Collection($"{database}.{collection}").RemoveAll(which);
    }

    /// <summary>The next commands of this name meet these faults, one each.</summary>
    public void Next(string command, params MongoFault[] faults)
    {
        lock (_lock)
        {
            if (!_faults.TryGetValue(command, out Queue<MongoFault>? queue)) _faults[command] = queue = new();
            foreach (MongoFault fault in faults) queue.Enqueue(fault);
        }
    }

    /// <summary>Listens, on the port it had before.</summary>
    public void Up()
    {
        lock (_lock)
        {
            _listener = Loopback.Listen(Port);
            Port = _listener.Port();
            _tasks.Add(AcceptAsync(_listener));
        }
    }

    /// <summary>
    /// Closes every connection and refuses new ones, until <see cref="Up"/>. What is stored stays.
    /// </summary>
    public void Down()
    {
        lock (_lock)
        {
            _listener?.Dispose();
            _listener = null;
            foreach (Socket connection in _connections) connection.Dispose();
            _connections.Clear();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Down();
        Task[] tasks;
        lock (_lock) tasks = [.. _tasks];
        await Task.WhenAll(tasks);
    }

    private async Task AcceptAsync(Socket listener)
    {
        try
        {
            while (true)
            {
                Socket connection = await listener.AcceptAsync();
                Interlocked.Increment(ref _accepted);
                lock (_lock)
                {
                    if (_listener != listener)
                    {
                        connection.Dispose();
                        return;
                    }

                    _connections.Add(connection);
                    _tasks.Add(ServeAsync(connection));
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The listener was closed.
        }
    }

    private async Task ServeAsync(Socket connection)
    {
        await Task.Yield();
        try
        {
            using var stream = new NetworkStream(connection, ownsSocket: true);
            byte[] head = new byte[16];
            while (true)
            {
                await stream.ReadExactlyAsync(head);
                byte[] body = new byte[BinaryPrimitives.ReadInt32LittleEndian(head) - head.Length];
                await stream.ReadExactlyAsync(body);
                if (Answer(head, body) is not { } answer) break;
                await stream.WriteAsync(answer);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            // The client is gone, or the server is down.
        }
        finally
        {
            lock (_lock) _connections.Remove(connection);
        }
    }

    /// <summary>The bytes to send, perhaps none; <c>null</c> closes the connection.</summary>
    private byte[]? Answer(byte[] head, byte[] body)
    {
        bool legacy = BinaryPrimitives.ReadInt32LittleEndian(head.AsSpan(12)) == 2004;
        MongoDoc command = legacy ? ReadQuery(body) : ReadMsg(body);
        string name = command.Names.First();
        lock (_lock)
        {
            _seen.Add(new SeenCommand(name, command));
            MongoFault? fault = null;
            if (_faults.TryGetValue(name, out Queue<MongoFault>? faults)) faults.TryDequeue(out fault);
            MongoDoc answer = new() { { "ok", 1.0 } };
            if (fault is null || fault.CarryOut)
                answer = name is "hello" or "isMaster" ? Hello() : _data.Run(name, command, fault);
            byte[] message = Message(head, (fault?.Answer ?? answer).Encode(), legacy);
            return Spoil(message, fault?.Misbehaviour ?? MongoMisbehaviour.None);
        }
    }

    private static byte[]? Spoil(byte[] message, MongoMisbehaviour misbehaviour)
    {
        switch (misbehaviour)
        {
            case MongoMisbehaviour.None:
                return message;
            case MongoMisbehaviour.Drop:
                return null;
            case MongoMisbehaviour.Freeze:
                return [];
            case MongoMisbehaviour.Garbage:
                return Encoding.ASCII.GetBytes("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            case MongoMisbehaviour.WrongLength:
                BinaryPrimitives.WriteInt32LittleEndian(message, message.Length + 7);
                return message;
            case MongoMisbehaviour.BrokenDocument:
                message.AsSpan(25..^1).Fill(0xEE);
                return message;
            default:
                throw new ArgumentOutOfRangeException(nameof(misbehaviour));
        }
    }

    private static MongoDoc ReadQuery(byte[] body)
    {
        int document = Array.IndexOf(body, (byte)0, 4) + 1 + 8;
        return MongoDoc.Decode(body.AsSpan(document));
    }

    private static MongoDoc ReadMsg(byte[] body)
    {
        bool checksum = (body[0] & 1) != 0;
        if (checksum) throw new IOException("checksums are not understood");
        MongoDoc? command = null;
        var sequences = new List<KeyValuePair<string, object?>>();
        for (int at = 4; at < body.Length;)
        {
            byte kind = body[at++];
            int size = BinaryPrimitives.ReadInt32LittleEndian(body.AsSpan(at));
            if (kind == 0) command = MongoDoc.Decode(body.AsSpan(at, size));
            else sequences.Add(ReadSequence(body.AsSpan(at, size)));
            at += size;
        }

        foreach ((string name, object? documents) in sequences) command!.Add(name, documents);
        return command!;
    }

    private static KeyValuePair<string, object?> ReadSequence(ReadOnlySpan<byte> section)
    {
        int end = section[4..].IndexOf((byte)0) + 4;
        var documents = new List<object?>();
        for (int at = end + 1; at < section.Length;)
        {
            int size = BinaryPrimitives.ReadInt32LittleEndian(section[at..]);
            documents.Add(MongoDoc.Decode(section.Slice(at, size)));
            at += size;
        }

        return new(Encoding.UTF8.GetString(section[4..end]), documents.ToArray());
    }

    private static byte[] Message(byte[] requestHead, byte[] document, bool legacy)
    {
        byte[] prefix = legacy
            ? [8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
            : [0, 0, 0, 0, 0];
        byte[] message = new byte[16 + prefix.Length + document.Length];
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        requestHead.AsSpan(4, 4).CopyTo(message.AsSpan(8));
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(12), legacy ? 1 : 2013);
        prefix.CopyTo(message.AsSpan(16));
        document.CopyTo(message.AsSpan(16 + prefix.Length));
        return message;
    }

    /// <summary>
    /// No topologyVersion: clients then ask now and again instead of waiting for a streamed answer.
    /// </summary>
    private MongoDoc Hello()
    {
        var hello = new MongoDoc
        {
            { "isWritablePrimary", true },
            { "ismaster", true },
            { "helloOk", true },
            { "maxBsonObjectSize", 16 * 1024 * 1024 },
            { "maxMessageSizeBytes", 48_000_000 },
            { "maxWriteBatchSize", 100_000 },
            { "logicalSessionTimeoutMinutes", 30 },
            { "minWireVersion", 0 },
            { "maxWireVersion", 21 },
            { "readOnly", false },
        };
        if (_replicaSet is not null)
        {
            string me = $"127.0.0.1:{Port}";
            hello.Add("setName", _replicaSet);
            hello.Add("setVersion", 1);
            hello.Add("secondary", false);
            hello.Add("hosts", new object?[] { me });
            hello.Add("primary", me);
            hello.Add("me", me);
        }

        hello.Add("ok", 1.0);
        return hello;
    }
}
