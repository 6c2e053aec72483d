// A journal that is relayed to a scripted MongoDB, with a clock that the test advances.

using System.Collections.Concurrent;
using System.Threading.Channels;
using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Journal;
using Letterbox.Tests.Store.Journal;
using Letterbox.Tests.Support;
using SQLitePCL;

namespace Letterbox.Tests.Store.Delivery;

/// <summary>One for each test. Whatever it started ends with it, the relay first.</summary>
internal sealed class RelayHost : IAsyncDisposable
{
    private readonly Channel<BatchOutcome> _script = Channel.CreateUnbounded<BatchOutcome>();
    private Relay? _relay;

    public RelayHost() => Journal = Samples.OpenJournal(Folder, Time);

    /// <summary>MongoDB has the batch.</summary>
    public static BatchOutcome Stored { get; } = new(null, []);

    /// <summary>MongoDB cannot be reached.</summary>
    public static BatchOutcome Away { get; } = BatchOutcome.Failed("no server");

    public TempFolder Folder { get; } = new();

    public ManualTime Time { get; } = new();

    public RecordingLog Log { get; } = new();

    public MessageJournal Journal { get; private set; }

    /// <summary>The texts of each batch that was sent.</summary>
    public ConcurrentQueue<string[]> Batches { get; } = new();

    /// <summary>Whether MongoDB can be reached at the start.</summary>
    public Func<BatchOutcome> Probe { get; set; } = static () => Stored;

    /// <summary>The log, except for the line that MongoDB is reached.</summary>
    public IReadOnlyList<string> Lines =>
        [.. Log.Lines.Where(static line => line != "Information: MongoDB is reached")];

    /// <summary>How many messages each batch had.</summary>
    public IEnumerable<int> Sizes => Batches.Select(static batch => batch.Length);

    public long Watermark
    {
        get
        {
            using JournalReader reader = JournalReader.Open(Journal.Path);
            return reader.ReadWatermark();
        }
    }

    /// <summary>Starts a relay to a MongoDB that gives these answers, one for each batch.</summary>
    public Relay Start(params BatchOutcome[] outcomes)
    {
        foreach (BatchOutcome outcome in outcomes) Assert.True(_script.Writer.TryWrite(outcome));
        return Start(_ => _script.Reader.TryRead(out BatchOutcome? next)
            ? next
            : throw new InvalidOperationException("one batch more than the script has"));
    }

    /// <summary>Starts a relay to this MongoDB.</summary>
    public Relay Start(Func<IReadOnlyList<JournalEntry>, BatchOutcome> deliver) =>
        Start(MongoMessages.Blocking(deliver));

    /// <inheritdoc cref="Start(Func{IReadOnlyList{JournalEntry}, BatchOutcome})"/>
    public Relay Start(DeliverBatch deliver) => _relay = new Relay(Journal, (batch, cancel) =>
    {
        if (batch.Count == 0) return Task.FromResult(Probe());
        Batches.Enqueue([.. batch.Select(static entry => entry.Message.Text)]);
        return deliver(batch, cancel);
    }, TimeSpan.FromDays(7), Time, Log);

    /// <summary>Waits until the relay waits, and lets that time pass.</summary>
    public async Task PassAsync() => Time.Advance(await Time.NextTimerAsync());

    /// <summary>
    /// Lets time pass until everything up to this number is marked. A test that counts timers instead would
    /// see one more whenever the disk of this machine fails for a moment.
    /// </summary>
    public async Task MarkedAsync(long upTo)
    {
        while (Watermark < upTo) await PassAsync();
    }

    /// <summary>The next commit fails; after it the journal is opened again.</summary>
    public void FailCommit() =>
        raw.sqlite3_commit_hook(Journal.Writer.Connection!.Handle, static _ => 1, null);

    /// <summary>What is in quarantine: number and reason.</summary>
    public string[] Quarantined() =>
        Samples.Query(Journal.Path, "SELECT seq || ' ' || reason FROM quarantine ORDER BY seq");

    /// <summary>Closes the journal and opens it again.</summary>
    public async Task ReopenAsync()
    {
        await Journal.DisposeAsync();
        Journal = Samples.OpenJournal(Folder, Time);
    }

    public async ValueTask DisposeAsync()
    {
        if (_relay is not null) await _relay.DisposeAsync();
        await Journal.DisposeAsync();
        Folder.Dispose();
    }
}
