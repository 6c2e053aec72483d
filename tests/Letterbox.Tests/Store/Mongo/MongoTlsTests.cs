// TLS to MongoDB, with tlsCAFile: which the driver itself would pass over.

using System.Security.Cryptography.X509Certificates;
using Letterbox.Configuration;
using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Mongo;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Mongo;

public sealed class MongoTlsTests : IAsyncDisposable
{
    private readonly ScriptedMongo _server = new();
    private readonly Certificates _certificates = new();

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _certificates.Dispose();
    }

    [Fact]
    public void A_server_whose_certificate_the_authority_has_issued_gets_messages()
    {
        Settings pair = Serve("one", "127.0.0.1");
        using MongoStore store = Open($"&tlsCAFile={pair.TlsAuthority}");
        BatchOutcome outcome = store.Insert(MongoMessages.Batch(3));
        Assert.True(outcome.Stored, outcome.Failure?.Reason);
        Assert.Equal(3, store.ReadAll().Count());
    }

    [Fact]
    public void A_certificate_of_another_authority_is_rejected()
    {
        Serve("one", "127.0.0.1");
        Settings other = _certificates.Issued("other", "127.0.0.1");
        AssertRejected(other.TlsAuthority, "is not valid under tlsCAFile");
    }

    [Fact]
    public void A_certificate_for_another_name_is_rejected()
    {
        Settings pair = Serve("one", "mongo.example");
        AssertRejected(pair.TlsAuthority, "is for another host name");
    }

    [Fact]
    public void A_certificate_whose_time_is_over_is_rejected()
    {
        Settings pair = Serve("one", "127.0.0.1", toDays: -1, fromDays: -2);
        AssertRejected(pair.TlsAuthority, "is not valid under tlsCAFile");
    }

    [Fact]
    public void Without_an_authority_those_of_the_machine_count()
    {
        Serve("one", "127.0.0.1");
        using MongoStore store = Open("&tls=true");
        Assert.False(store.Insert(MongoMessages.Batch(1)).Stored);
        Assert.Empty(_server.Seen("insert"));
    }

    [Theory]
    [InlineData("tls=false", "tls=false")]
    [InlineData("tlsInsecure=true", "tlsInsecure=true")]
    public void An_authority_and_an_option_that_makes_it_void_are_rejected(string option, string named)
    {
        string? authority = _certificates.Issued("one", "127.0.0.1").TlsAuthority;
        var e = Assert.Throws<StoreException>(() => Open($"&tlsCAFile={authority}&{option}").Dispose());
        Assert.Contains($"tlsCAFile and {named} contradict each other", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_without_a_certificate_is_rejected()
    {
        string empty = _certificates.File("empty", "nothing\n");
        foreach (string path in new[] { empty, $"{empty}.none" })
        {
            var e = Assert.Throws<StoreException>(() => Open($"&tlsCAFile={path}").Dispose());
            Assert.Contains("tlsCAFile", e.Message, StringComparison.Ordinal);
        }
    }

    private Settings Serve(string authority, string host, int fromDays = -1, int toDays = 30)
    {
        Settings pair = _certificates.Issued(authority, host, fromDays, toDays);
        _server.Certificate = X509Certificate2.CreateFromPemFile(pair.TlsCertificate!, pair.TlsKey);
        return pair;
    }

    private void AssertRejected(string? authority, string reason)
    {
        using MongoStore store = Open($"&tlsCAFile={authority}");
        BatchOutcome outcome = store.Insert(MongoMessages.Batch(1));
        Assert.False(outcome.Stored);
        Assert.Contains(reason, outcome.Failure?.Reason, StringComparison.Ordinal);
        Assert.InRange(outcome.Failure!.Reason.Length, 1, 300);
        Assert.Empty(_server.Seen("insert"));
    }

    private MongoStore Open(string options) =>
        MongoStore.Open(_server.Uri + "&serverSelectionTimeoutMS=2000" + options, "letterbox", "messages");
}
