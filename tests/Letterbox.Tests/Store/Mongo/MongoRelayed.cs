// The real journal, the real relay and the real driver in front of a scripted MongoDB. The clock does not
// advance; the test lets the relay wait.

using System.Globalization;
using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;
using Letterbox.Tests.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Mongo;

public abstract class MongoRelayed : IAsyncLifetime
{
    private const int MessagesMax = 25;

    // Far more than any fault here takes; it turns a relay that never gets through into a failure.
    private const int TriesMax = 50;

    private readonly TempFolder _folder = new();
    private readonly RecordingLog _log = new();
    private MessageJournal _journal = null!;
    private Relay? _relay;
    private MongoStore? _store;

    private protected MongoRelayed(MongoTopology topology) => Server = new ScriptedMongo(topology);

    private protected ScriptedMongo Server { get; }

    private protected ManualTime Time { get; } = new();

    private protected IReadOnlyList<string> Log => _log.Lines;

    /// <summary>How far the journal is marked as delivered.</summary>
    private protected long Marked => long.Parse(
        Query("SELECT coalesce(max(seq), 0) FROM deliveries")[0], CultureInfo.InvariantCulture);

    /// <summary>Why messages are in quarantine, in their order.</summary>
    private protected string[] Quarantined => Query("SELECT reason FROM quarantine ORDER BY seq");

    public ValueTask InitializeAsync()
    {
        _journal = Samples.OpenJournal(_folder, Time);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (_relay is not null) await _relay.DisposeAsync();
        _store?.Dispose();
        await _journal.DisposeAsync();
        await Server.DisposeAsync();
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Puts messages into the journal, fewer than one batch.</summary>
    private protected Task<Message[]> FillAsync(int count = MessagesMax) =>
        Samples.FillAsync(_journal, count);

    /// <summary>Starts the relay on what is in the journal.</summary>
    private protected void Start(string? uri = null)
    {
        _store = MongoStore.Open(uri ?? Server.ImpatientUri, "letterbox", "messages");
        _relay = new Relay(_journal, _store.InsertAsync, TimeSpan.FromDays(7), Time, _log);
    }

    /// <summary>Lets the relay wait as long as it likes, once.</summary>
    private protected async Task WaitAsync() => Time.Advance(await Time.NextTimerAsync());

    /// <summary>Lets it wait until everything in the journal is marked.</summary>
    private protected async Task DeliveredAsync()
    {
        for (int tries = 0; Marked < _journal.LastSequence; tries++)
        {
            Assert.True(tries < TriesMax, string.Join('\n', _log.Lines));
            await WaitAsync();
        }
    }

    /// <summary>All of them are stored once, and none is in quarantine.</summary>
    private protected void AssertKept(IEnumerable<Message> messages)
    {
        AssertStoredOnce(messages);
        Assert.Empty(Quarantined);
    }

    /// <summary>These are stored once, and no others.</summary>
    private protected void AssertStoredOnce(IEnumerable<Message> messages) => Assert.Equal(
        messages.Select(static m => $"{m.Id} {m.Username} {m.Text}").Order(),
        Server.Stored("letterbox", "messages").Select(
            static d => $"{d["_id"]} {d["username"]} {d["message"]}").Order());

    private string[] Query(string sql) => Samples.Query(_journal.Path, sql);
}
