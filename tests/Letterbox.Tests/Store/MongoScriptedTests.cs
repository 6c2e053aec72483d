// The contract on the scripted server of the tests, as a standalone and as a replica set.

using Letterbox.Store;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store;

public sealed class MongoStandaloneTests : MongoContract, IAsyncDisposable
{
    private readonly ScriptedMongo _server = new();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private protected override MongoStore Open() => MongoStore.Open(_server.Uri, "letterbox", "messages");
}

public sealed class MongoReplicaSetTests : MongoContract, IAsyncDisposable
{
    private readonly ScriptedMongo _server = new(replicaSet: "rs0");

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private protected override MongoStore Open() => MongoStore.Open(_server.Uri, "letterbox", "messages");
}
