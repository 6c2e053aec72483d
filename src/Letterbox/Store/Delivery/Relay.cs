// The relay: carries what is in the journal to MongoDB, in order, batch by batch, for ever.
//
//    read a page ─▶ in flight, three at most ─▶ the oldest ─┬─ stored ─▶ mark delivered ─▶ next page
//        ▲                                                    └─ failed ─▶ wait, see Outage.cs ─▶ from the
//        └── none after the watermark: wait for news, or poll             watermark, the same again
//
// While one batch is marked and a page is read, others are in flight: MongoDB does not wait for our disk.
// They are marked in the order of the journal, so the watermark only moves over what MongoDB has. A crash
// before the mark sends batches again, and their keys make that harmless.
//
// A message whose key another document has in MongoDB was acknowledged, so it must arrive all the same: it is
// given the next key (TextKey.cs), in the journal first, and sent at once, before its batch is marked. After
// a crash in between it is in the journal under the one key or the other, and the relay goes on from there;
// another store that has the message too comes to the same key.
//
// On the way the relay looks after
// the journal: hourly, and at once when new messages have no room, it purges what MongoDB has had for long
// enough; every few seconds it takes back from quarantine what somebody asked it to.

using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;
using Microsoft.Extensions.Logging;

namespace Letterbox.Store.Delivery;

/// <summary>
/// Brings a batch to MongoDB. Called for several batches at once. A batch may come again, whole or in part,
/// even after it was stored.
/// </summary>
public delegate Task<BatchOutcome> DeliverBatch(IReadOnlyList<JournalEntry> batch, CancellationToken cancel);

/// <summary>
/// Relays a journal to MongoDB on a thread of its own. The properties may be read on any thread.
/// </summary>
public sealed class Relay : IAsyncDisposable
{
    // With one, MongoDB waits for the mark and the next page: three quarters of the rate of bare inserts.
    // With three the relay reaches it (bench/backlog.sh), and holds three pages in memory.
    private const int InFlightMax = 3;

    // How often a message is given another key: who knows its text can take the next ones, but not the last,
    // which is random. What MongoDB calls a conflict even then goes to quarantine.
    private const int RekeysMax = 4;

    private static readonly MongoFailure s_stopped = new("the relay stops");

    private static readonly TimeSpan s_purgeEvery = TimeSpan.FromHours(1);

    // News wakes the relay at once. The poll finds what another process changed: a watermark that was set
    // back, a quarantine.
    private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(5);

    // What a stop grants the batches in flight, all together: a MongoDB that hangs must not keep the journal
    // from being closed before the supervisor runs out of patience.
    private static readonly TimeSpan s_landing = TimeSpan.FromSeconds(3);

    private readonly Journal _journal;
    private readonly DeliverBatch _deliver;
    private readonly TimeSpan _keep;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Outage _outage;
    private readonly Doubt _doubt;
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _abandoned = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly object _gate = new();
    private readonly Queue<Flight> _flights = new();
    private bool _news;
    private long _watermark;
    private long _quarantined;
    private long _stopped;
    private long? _looked;
    private long? _purged;
    private bool _purgeFails;
    private JournalReader? _reader;

    /// <summary>Starts the thread.</summary>
    /// <param name="journal">Relayed from; it must outlive the relay.</param>
    /// <param name="deliver">Brings one batch to MongoDB.</param>
    /// <param name="keep">How long delivered messages stay in the journal.</param>
    /// <param name="time">All waiting goes by it.</param>
    /// <param name="log">
    /// Told of an outage once, and of its end; of what goes to quarantine, a line for each batch.
    /// </param>
    public Relay(Journal journal, DeliverBatch deliver, TimeSpan keep, TimeProvider time, ILogger log)
    {
        (_journal, _deliver, _keep, _time, _log) = (journal, deliver, keep, time, log);
        (_outage, _doubt) = (new Outage(log), new Doubt(time));
        _journal.Grown += OnGrown;
        new Thread(Run) { Name = "relay", IsBackground = true }.Start();
    }

    /// <summary>
    /// What whoever runs this should know, a line each; nothing when all is well. Up to five seconds old.
    /// </summary>
    public IReadOnlyList<string> Notes
    {
        get
        {
            var notes = new List<string>(2);
            long waiting = Backlog, held = Volatile.Read(ref _quarantined);
            string wait = waiting == 1 ? "is" : "are", stay = held == 1 ? "message is" : "messages are";
            if (_outage.Fault is { } fault)
                notes.Add($"messages do not reach MongoDB: {fault}, {waiting:N0} {wait} waiting");
            if (held > 0) notes.Add($"{held:N0} {stay} in quarantine: letterbox quarantine list");
            return notes;
        }
    }

    /// <summary>How many messages wait in the journal to be brought to MongoDB.</summary>
    internal long Backlog => Math.Max(0, _journal.LastSequence - Volatile.Read(ref _watermark));

    private bool IsStopping => _stopping.IsCancellationRequested;

    /// <summary>
    /// Ends after the batches in flight, or without them after 3 s; what is not marked by then stays in the
    /// journal, and is sent at the next start. The journal may be closed after that. May be called twice.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        _journal.Grown -= OnGrown;
        if (!IsStopping) Volatile.Write(ref _stopped, _time.GetTimestamp());
        await _stopping.CancelAsync();
        lock (_gate) Monitor.PulseAll(_gate);
        await _ended.Task;
    }

    private void OnGrown(object? sender, EventArgs e)
    {
        lock (_gate)
        {
            _news = true;
            Monitor.PulseAll(_gate);
        }
    }

    private void Run()
    {
        while (!IsStopping)
        {
            if (TryTurn() is { } failure) Wait(_outage.Failed(failure), () => IsStopping);
        }

        _reader?.Dispose();
        _abandoned.Cancel();
        _ended.SetResult();
    }

    private MongoFailure? TryTurn()
    {
        try
        {
            return Turn();
        }
        catch (StoreException e)
        {
            _reader?.Dispose();
            _reader = null;
            return new MongoFailure(e.Message);
        }
        catch (Exception e)
        {
            // A bug of ours: messages wait, the relay goes on.
            _log.LogError(e, "the relay failed by a fault of the program");
            return new MongoFailure("the relay failed by a fault of the program");
        }
    }

    // Brings what waits to MongoDB, page by page, then waits for news. Returns why it could not go on.
    private MongoFailure? Turn()
    {
        // What was still in flight when a turn failed goes again. What of it MongoDB has, it passes over.
        while (_flights.TryDequeue(out Flight? left)) Land(left);
        if (IsStopping) return null;
        LookAfterJournal();
        // Before the reading, so that news that comes after it ends the wait.
        lock (_gate) _news = false;
        Volatile.Write(ref _watermark, Reader().ReadWatermark());
        TakeOff(after: _watermark);
        if (_flights.Count == 0)
        {
            if (Backlog == 0) _outage.Over(waiting: 0);
            Wait(s_poll, () => _news || IsStopping);
        }

        while (_flights.TryDequeue(out Flight? first))
        {
            if (Land(first) is not { } outcome) return null;
            if (Judge(first, outcome) is { } failure) return failure == s_stopped ? null : failure;
            _outage.Over(Backlog);
            LookAfterJournal();
            TakeOff(after: _flights.LastOrDefault(first).UpTo);
        }

        return null;
    }

    // Has as many batches in flight as may be; none when the watermark was set back, until it is read again.
    private void TakeOff(long after)
    {
        while (_flights.Count < InFlightMax && !IsStopping && Reader().ReadWatermark() == _watermark)
        {
            IReadOnlyList<JournalEntry> page = Reader().ReadAfter(after);
            if (page.Count == 0) break;
            Flight flight = Start(page);
            _flights.Enqueue(flight);
            after = flight.UpTo;
        }
    }

    private Flight Start(IReadOnlyList<JournalEntry> batch)
    {
        var flight = new Flight(batch);
        _ = Task.Run(() => FlyAsync(flight));
        return flight;
    }

    private JournalReader Reader() => _reader ??= JournalReader.Open(_journal.Path);

    private async Task FlyAsync(Flight flight)
    {
        BatchOutcome outcome;
        try
        {
            outcome = await _deliver(flight.Batch, _abandoned.Token);
        }
        catch (Exception e)
        {
            _log.LogError(e, "the relay failed by a fault of the program");
            outcome = new BatchOutcome(false, "the relay failed by a fault of the program", []);
        }

        lock (_gate)
        {
            flight.Outcome = outcome;
            Monitor.PulseAll(_gate);
        }
    }

    // Waits for the outcome; null: the relay is to stop, and it does not come.
    private BatchOutcome? Land(Flight flight)
    {
        Wait(Timeout.InfiniteTimeSpan, () => flight.Outcome is not null || IsStopping);
        TimeSpan left = s_landing - _time.GetElapsedTime(Volatile.Read(ref _stopped));
        if (flight.Outcome is null && left > TimeSpan.Zero) Wait(left, () => flight.Outcome is not null);
        return flight.Outcome;
    }

    // Marks a batch delivered, or returns why it has to go again. When the mark fails it goes again too: that
    // is rare, and costs less than to remember.
    private MongoFailure? Judge(Flight flight, BatchOutcome outcome)
    {
        var refused = new List<(JournalEntry Entry, string Reason)>();
        if (Sort(flight.Batch, outcome, refused) is { } failure) return failure;
        (long, string)[] told = [.. refused.Select(static held => (held.Entry.Sequence, held.Reason))];
        if (_journal.MarkDelivered(_watermark, flight.UpTo, told) is { } fault) return new(fault);

        Volatile.Write(ref _watermark, flight.UpTo);
        // Nothing was noted when the watermark was set back meanwhile: they are sent and judged again.
        if (refused.Count > 0 && Reader().ReadWatermark() == flight.UpTo) TellQuarantined(refused);
        return null;
    }

    // Gathers what is refused for good; what only its key stands in the way of is sent under other ones.
    private MongoFailure? Sort(
        IReadOnlyList<JournalEntry> batch, BatchOutcome outcome, List<(JournalEntry, string)> refused)
    {
        for (int rekeys = 0; ; rekeys++)
        {
            if (!outcome.Stored) return new(outcome.Fault ?? "no reason was given", outcome.OfThePlace);
            if (_doubt.Of(outcome.Refused, batch.Count) is { } doubt) return new(doubt);
            var taken = new List<JournalEntry>();
            foreach (RefusedEntry entry in outcome.Refused)
            {
                bool rekey = entry.Reason == RefusedEntry.Conflict && rekeys < RekeysMax;
                if (rekey) taken.Add(batch[entry.Index]);
                else refused.Add((batch[entry.Index], entry.Reason));
            }

            if (taken.Count == 0) return null;
            bool last = rekeys == RekeysMax - 1;
            if (_journal.Rekey(taken, fresh: last, out batch) is { } fault) return new(fault);
            if (batch.Count == 0) return null;
            TellRekeyed(taken);
            if (Land(Start(batch)) is not { } next) return s_stopped;
            outcome = next;
        }
    }

    private void TellRekeyed(List<JournalEntry> taken)
    {
        int count = taken.Count;
        ObjectId id = taken[0].Message.Id;
        if (count == 1)
        {
            _log.LogWarning(
                "MongoDB has another document under the key of message {Id}: delivered under another key",
                id);
        }
        else
        {
            _log.LogWarning(
                "MongoDB has other documents under the keys of {Count} messages, the first {Id}: delivered "
                + "under other keys", count, id);
        }
    }

    private void TellQuarantined(List<(JournalEntry Entry, string Reason)> refused)
    {
        _looked = null;
        int count = refused.Count;
        (JournalEntry entry, string reason) = refused[0];
        ObjectId id = entry.Message.Id;
        if (count == 1)
        {
            _log.LogError(
                "MongoDB does not take message {Id}: {Reason}; it stays in the journal, in quarantine",
                id, reason);
        }
        else
        {
            _log.LogError(
                "MongoDB does not take {Count} messages, the first {Id}: {Reason}; they stay in the journal, "
                + "in quarantine", count, id, reason);
        }
    }

    private void LookAfterJournal()
    {
        PurgeIfDue();
        if (_looked is { } last && _time.GetElapsedTime(last) < s_poll) return;
        _looked = _time.GetTimestamp();
        if (Reader().IsReleaseAskedFor() && _journal.ReleaseFromQuarantine() is { } fault)
            throw new StoreException(fault);
        Volatile.Write(ref _quarantined, Reader().CountQuarantine());
    }

    private void PurgeIfDue()
    {
        bool recently = _purged is { } last && _time.GetElapsedTime(last) < s_purgeEvery;
        if (recently && !_journal.IsShortOfRoom) return;
        _purged = _time.GetTimestamp();
        string? fault = _journal.Purge(_keep, _stopping.Token);
        if (fault is not null && !_purgeFails)
            _log.LogWarning("delivered messages cannot be purged: {Fault}; trying on", fault);
        if (fault is null && _purgeFails) _log.LogInformation("delivered messages are purged again");
        _purgeFails = fault is not null;
    }

    // Waits for a time, or until that is so, which is looked at under the lock.
    private void Wait(TimeSpan patience, Func<bool> until)
    {
        bool due = false;
        using ITimer timer = _time.CreateTimer(_ => Due(), null, patience, Timeout.InfiniteTimeSpan);
        lock (_gate)
        {
            while (!due && !until()) Monitor.Wait(_gate);
        }

        void Due()
        {
            lock (_gate)
            {
                due = true;
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>A batch on its way. The outcome is guarded by the lock.</summary>
    private sealed class Flight(IReadOnlyList<JournalEntry> batch)
    {
        public IReadOnlyList<JournalEntry> Batch => batch;

        public long UpTo => batch[^1].Sequence;

        public BatchOutcome? Outcome { get; set; }
    }
}
