// The contract on the real server that LETTERBOX_TEST_MONGODB_URI names, in a database of its own that is
// dropped afterwards.

using Letterbox.Messages;
using Letterbox.Store.Mongo;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Mongo;

public sealed class MongoRealServerTests : MongoContract, IDisposable
{
    private readonly string? _uri = Environment.GetEnvironmentVariable("LETTERBOX_TEST_MONGODB_URI");
    private readonly string _database = $"letterbox_test_{MessageKey.New(TimeProvider.System)}";

    public MongoRealServerTests() =>
        Assert.SkipWhen(string.IsNullOrEmpty(_uri), "LETTERBOX_TEST_MONGODB_URI names no server");

    public void Dispose()
    {
        if (string.IsNullOrEmpty(_uri)) return;
        MongoMessages.Drop(_uri, _database);
    }

    private protected override MongoStore Open() => MongoStore.Open(_uri!, _database, "messages");
}
