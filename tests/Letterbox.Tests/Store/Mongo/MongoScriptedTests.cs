// The contract on the scripted server of the tests, in each of its topologies.

using Letterbox.Store.Mongo;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Mongo;

public abstract class MongoScripted : MongoContract, IAsyncDisposable
{
    private readonly ScriptedMongo _server;

    private protected MongoScripted(MongoTopology topology, MongoUser? user = null) =>
        _server = new ScriptedMongo(topology, user);

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return _server.DisposeAsync();
    }

    private protected override MongoStore Open() => MongoStore.Open(_server.Uri, "letterbox", "messages");
}

public sealed class MongoStandaloneTests() : MongoScripted(MongoTopology.Standalone);

public sealed class MongoReplicaSetTests() : MongoScripted(MongoTopology.ReplicaSet);

public sealed class MongoShardedTests() : MongoScripted(MongoTopology.Sharded);

public sealed class MongoLoginTests()
    : MongoScripted(MongoTopology.ReplicaSet, new MongoUser("letterbox", "s3cret/@:?%"));
