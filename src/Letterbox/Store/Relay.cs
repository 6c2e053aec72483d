// The relay: carries what is in the journal to MongoDB, in order, batch by batch, for ever.
//
//    read a page ─▶ in flight ─┬─ stored ─▶ mark delivered (the watermark moves)
//        ▲          │          └─ failed ─▶ wait, see Outage.cs ─▶ read from the watermark, the same again
//        │          └─ meanwhile the next page is read, so that it can take off when this one has landed and
//        │             before it is marked: MongoDB does not wait for our disk
//        └── none after the watermark: wait for news, or poll
//
// One batch is in flight at a time, so they land in order, and the watermark is moved over whole batches
// only. Delivered is marked after MongoDB acknowledged. A crash between the two sends the batch again, and
// its keys make that harmless. On the way the relay looks after the journal: hourly, and at once when new
// messages have no room, it purges what MongoDB has had for long enough; every few seconds it takes back from
// quarantine what somebody asked it to.

using Microsoft.Extensions.Logging;

namespace Letterbox.Store;

/// <summary>
/// Brings a batch to MongoDB; blocks until that is done or has failed. Called on threads of its own, one
/// batch after the other. A batch may come again, whole or in part, even after it was stored.
/// </summary>
public delegate BatchOutcome DeliverBatch(IReadOnlyList<JournalEntry> batch);

/// <summary>
/// Relays a journal to MongoDB on a thread of its own. The properties may be read on any thread.
/// </summary>
public sealed class Relay : IAsyncDisposable
{
    private static readonly TimeSpan s_purgeEvery = TimeSpan.FromHours(1);

    // News wakes the relay at once. The poll finds what another process changed: a watermark that was set
    // back, a quarantine.
    private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(5);

    // What a stop grants the batch in flight: a MongoDB that hangs must not keep the journal from being
    // closed before the supervisor runs out of patience.
    private static readonly TimeSpan s_landing = TimeSpan.FromSeconds(3);

    private readonly Journal _journal;
    private readonly DeliverBatch _deliver;
    private readonly TimeSpan _keep;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Outage _outage;
    private readonly Doubt _doubt;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly object _gate = new();
    private bool _news;
    private long _watermark;
    private long _quarantined;
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
    /// Told of an outage once, and of its end; of each message that goes to quarantine.
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
            if (_outage.Fault is { } fault)
                notes.Add($"messages do not reach MongoDB: {fault}; {Count(Backlog, "", "waiting")}");
            if (Volatile.Read(ref _quarantined) is > 0 and var quarantined)
                notes.Add($"{Count(quarantined, "message", "in quarantine")}: letterbox quarantine list");
            return notes;

            static string Count(long count, string noun, string where)
            {
                string what = noun.Length == 0 ? "" : count == 1 ? $"{noun} " : $"{noun}s ";
                return $"{count:N0} {what}{(count == 1 ? "is" : "are")} {where}";
            }
        }
    }

    /// <summary>How many messages wait in the journal to be brought to MongoDB.</summary>
    internal long Backlog => Math.Max(0, _journal.LastSequence - Volatile.Read(ref _watermark));

    private bool IsStopping => _stopping.IsCancellationRequested;

    /// <summary>
    /// Ends after the batch in flight, or without it after 3 s; what is not marked by then stays in the
    /// journal, and is sent at the next start. The journal may be closed after that. May be called twice.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        _journal.Grown -= OnGrown;
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

    // Brings what waits to MongoDB, page by page, or waits for news. Returns why it could not go on.
    private MongoFailure? Turn()
    {
        LookAfterJournal();
        IReadOnlyList<JournalEntry> page = Read();
        if (page.Count == 0)
        {
            _outage.Over(waiting: 0);
            Wait(s_poll, () => _news || IsStopping);
        }

        Flight? flight = page.Count == 0 ? null : TakeOff(page);
        while (flight is not null)
        {
            IReadOnlyList<JournalEntry> next = ReadAhead(flight);
            if (Land(flight) is not { } outcome) return null;
            if (Judge(flight, outcome) is { } failure) return failure;
            Flight? following = next.Count == 0 || IsStopping ? null : TakeOff(next);
            if (Mark(flight, outcome) is { } fault)
            {
                // What is in flight goes again, as what has landed does.
                if (following is not null) Land(following);
                return new MongoFailure(fault);
            }

            _outage.Over(Backlog);
            LookAfterJournal();
            flight = following;
        }

        return null;
    }

    private IReadOnlyList<JournalEntry> Read()
    {
        // Before the reading, so that news that comes after it ends the wait.
        lock (_gate) _news = false;
        JournalReader reader = Reader();
        Volatile.Write(ref _watermark, reader.ReadWatermark());
        return reader.ReadAfter(_watermark);
    }

    // The page after the one in flight; nothing when the watermark was set back: then it is read from there.
    private IReadOnlyList<JournalEntry> ReadAhead(Flight flight)
    {
        try
        {
            return Reader().ReadWatermark() == _watermark ? Reader().ReadAfter(flight.UpTo) : [];
        }
        catch (StoreException)
        {
            // The next turn meets it too, with nothing in flight, and says so.
            return [];
        }
    }

    private JournalReader Reader() => _reader ??= JournalReader.Open(_journal.Path);

    private Flight TakeOff(IReadOnlyList<JournalEntry> batch)
    {
        var flight = new Flight(batch);
        new Thread(() => Fly(flight)) { Name = "to MongoDB", IsBackground = true }.Start();
        return flight;
    }

    private void Fly(Flight flight)
    {
        BatchOutcome outcome;
        try
        {
            outcome = _deliver(flight.Batch);
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
        if (flight.Outcome is null) Wait(s_landing, () => flight.Outcome is not null);
        return flight.Outcome;
    }

    private MongoFailure? Judge(Flight flight, BatchOutcome outcome)
    {
        if (!outcome.Stored) return new(outcome.Fault ?? "no reason was given", outcome.OfThePlace);
        return _doubt.Of(outcome.Refused, flight.Batch.Count) is { } doubt ? new(doubt) : null;
    }

    // Marks a batch delivered. When the mark fails, MongoDB gets the batch again: that is rare, and costs
    // less than to remember.
    private string? Mark(Flight flight, BatchOutcome outcome)
    {
        var refused = new List<(long Sequence, string Reason)>(outcome.Refused.Count);
        foreach (RefusedEntry entry in outcome.Refused)
            refused.Add((flight.Batch[entry.Index].Sequence, entry.Reason));
        if (_journal.MarkDelivered(_watermark, flight.UpTo, refused) is { } fault) return fault;

        Volatile.Write(ref _watermark, flight.UpTo);
        foreach (RefusedEntry entry in outcome.Refused)
        {
            _log.LogError(
                "MongoDB does not take message {Id}: {Reason}; it stays in the journal, in quarantine",
                flight.Batch[entry.Index].Message.Id, entry.Reason);
        }

        if (refused.Count > 0) _looked = null;
        return null;
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
