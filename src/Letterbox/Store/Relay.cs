// The relay: carries what is in the journal to MongoDB, in order, batch by batch, for ever.
//
//    read a page ─▶ deliver ─┬─ stored ─▶ mark delivered (the watermark moves) ─▶ next page
//        ▲                   └─ fault ──▶ wait, 100 ms doubling to 5 s ─▶ the same page again
//        └── none after the watermark: wait for news, or poll
//
// Delivered is marked after MongoDB acknowledged. A crash between the two sends the batch again, and its keys
// make that harmless. On the way, hourly, it purges what MongoDB has had for long enough, and at once when
// new messages have no room.

using Microsoft.Extensions.Logging;

namespace Letterbox.Store;

/// <summary>
/// Brings a batch to MongoDB; blocks until that is done or has failed. Called on the relay's thread only. A
/// batch may come again, whole or in part, even after it was stored.
/// </summary>
public delegate BatchOutcome DeliverBatch(IReadOnlyList<JournalEntry> batch);

/// <summary>
/// Relays a journal to MongoDB on a thread of its own. The properties may be read on any thread.
/// </summary>
public sealed class Relay : IAsyncDisposable
{
    private static readonly TimeSpan s_backOffMin = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_backOffMax = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_purgeEvery = TimeSpan.FromHours(1);

    // News wakes the relay at once. The poll finds what another process changed: a watermark that was set
    // back.
    private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(5);

    private readonly Journal _journal;
    private readonly DeliverBatch _deliver;
    private readonly TimeSpan _keep;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly object _gate = new();
    private bool _news;
    private long _watermark;
    private volatile string? _fault;
    private int _failures;
    private long? _purged;
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
        _journal.Grown += OnGrown;
        new Thread(Run) { Name = "relay", IsBackground = true }.Start();
    }

    /// <summary>Why messages do not reach MongoDB now, fit for a log; <c>null</c> when they do.</summary>
    public string? Fault => _fault;

    /// <summary>How many messages wait in the journal to be brought to MongoDB.</summary>
    public long Backlog => Math.Max(0, _journal.LastSequence - Volatile.Read(ref _watermark));

    /// <summary>
    /// Ends after the batch in flight; what is not delivered by then stays in the journal for the next start.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        _journal.Grown -= OnGrown;
        await _stopping.CancelAsync();
        lock (_gate) Monitor.PulseAll(_gate);
        await _ended.Task;
        _stopping.Dispose();
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
        IReadOnlyList<JournalEntry> batch = [];
        while (!_stopping.IsCancellationRequested)
        {
            string? fault = Step(ref batch);
            if (fault is not null)
            {
                Failed(fault);
                Wait(BackOff(_failures), untilNews: false);
            }
            else
            {
                Succeeded();
                if (batch.Count == 0) Wait(s_poll, untilNews: true);
                batch = [];
            }
        }

        _reader?.Dispose();
        _ended.SetResult();
    }

    private string? Step(ref IReadOnlyList<JournalEntry> batch)
    {
        try
        {
            PurgeIfDue();
            if (batch.Count == 0 && Read(out batch) is { } fault) return fault;
            return batch.Count == 0 ? null : Deliver(batch);
        }
        catch (Exception e)
        {
            // A bug of ours: messages wait, the relay goes on.
            _log.LogError(e, "the relay failed by a fault of the program");
            return "the relay failed by a fault of the program";
        }
    }

    private string? Read(out IReadOnlyList<JournalEntry> batch)
    {
        // Before the reading, so that news that comes after it ends the wait.
        lock (_gate) _news = false;
        try
        {
            _reader ??= JournalReader.Open(_journal.Path);
            Volatile.Write(ref _watermark, _reader.ReadWatermark());
            batch = _reader.ReadAfter(_watermark);
            return null;
        }
        catch (StoreException e)
        {
            _reader?.Dispose();
            _reader = null;
            batch = [];
            return e.Message;
        }
    }

    // Brings a batch to MongoDB and marks it delivered. When the mark fails, MongoDB gets the batch again:
    // that is rare, and costs less than to remember.
    private string? Deliver(IReadOnlyList<JournalEntry> batch)
    {
        BatchOutcome outcome = _deliver(batch);
        if (!outcome.Stored) return outcome.Fault ?? "no reason was given";
        var refused = new List<(long Sequence, string Reason)>(outcome.Refused.Count);
        foreach (RefusedEntry entry in outcome.Refused)
            refused.Add((batch[entry.Index].Sequence, entry.Reason));
        long upTo = batch[^1].Sequence;
        if (_journal.MarkDelivered(_watermark, upTo, refused) is { } fault) return fault;

        Volatile.Write(ref _watermark, upTo);
        foreach (RefusedEntry entry in outcome.Refused)
        {
            _log.LogError(
                "MongoDB will never take message {Id}: {Reason}; it stays in the journal, in quarantine",
                batch[entry.Index].Message.Id, entry.Reason);
        }

        return null;
    }

    private void Failed(string fault)
    {
        _fault = fault;
        if (_failures++ > 0) return;
        _log.LogWarning(
            "messages do not reach MongoDB: {Fault}; they are safe in the journal, trying on", fault);
    }

    private void Succeeded()
    {
        if (_failures == 0) return;
        _log.LogInformation(
            "messages reach MongoDB again, after {Failures} failures; {Backlog} are waiting",
            _failures, Backlog);
        _fault = null;
        _failures = 0;
    }

    private void PurgeIfDue()
    {
        bool recently = _purged is { } last && _time.GetElapsedTime(last) < s_purgeEvery;
        if (recently && !_journal.IsShortOfRoom) return;
        _purged = _time.GetTimestamp();
        if (_journal.Purge(_keep, _stopping.Token) is { } fault)
            _log.LogWarning("delivered messages cannot be purged: {Fault}; trying again in an hour", fault);
    }

    // Between half of it and all of it, so that many stores do not come back to one database in step.
    private static TimeSpan BackOff(int failures)
    {
        TimeSpan pause = s_backOffMin * Math.Pow(2, Math.Min(failures - 1, 10));
        return (pause < s_backOffMax ? pause : s_backOffMax) * (0.5 + (Random.Shared.NextDouble() / 2));
    }

    // Waits for a time; less when the relay is to stop, or, if asked, when there is news.
    private void Wait(TimeSpan patience, bool untilNews)
    {
        bool due = false;
        using ITimer timer = _time.CreateTimer(_ => Due(), null, patience, Timeout.InfiniteTimeSpan);
        lock (_gate)
        {
            while (!due && !_stopping.IsCancellationRequested && !(untilNews && _news)) Monitor.Wait(_gate);
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
}
