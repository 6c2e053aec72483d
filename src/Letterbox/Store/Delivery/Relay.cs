// The relay: delivers the journal to a destination, in order, batch by batch.
//
//    read a page ─▶ in flight, three at most ─▶ the oldest ─┬─ stored ─▶ mark delivered ─▶ next page
//        ▲                                                  └─ failed ─▶ back off ─▶ again from the watermark
//        └── no messages after the watermark: wait for new ones, or poll
//
// While one batch is marked and a page is read, others are in flight: the destination does not wait for our
// disk. Batches are marked in the order of the journal, so the watermark only passes messages that the
// destination has. After a crash before the mark a batch is sent again; its keys make that harmless.
//
// A message whose key belongs to a different document in the destination was acknowledged, so it must still
// arrive: it gets the next key (TextKey.cs), first in the journal, and is sent at once, before its batch is
// marked. After a crash in between the journal has it under one of the two keys, and the relay continues from
// there; another store with the same message derives the same key.
//
// At the start the destination is asked whether it can be reached, so that a wrong password is known before
// the first message.
//
// The relay also maintains the journal: hourly, and when there is no space for new messages, it purges what
// was delivered long enough ago; every few seconds it releases from quarantine what was requested.

using Letterbox.Messages;
using Letterbox.Store.Journal;
using Microsoft.Extensions.Logging;

namespace Letterbox.Store.Delivery;

// Relays a journal to a destination, on its own thread. The properties may be read on any thread.
internal sealed class Relay : IAsyncDisposable
{
    // With one batch MongoDB waits for the mark and the next page: three quarters of the rate of bare
    // inserts. With three the relay reaches that rate (bench/backlog.sh), and holds three pages in memory.
    private const int InFlightMax = 3;

    // How often a message gets another key. A client that knows its text can occupy the next ones, but not
    // the last, which is random. A message that still conflicts goes to quarantine.
    private const int RekeysMax = 4;

    private static readonly DeliveryFailure s_stopped = new("the relay is stopping");

    private static readonly TimeSpan s_purgeEvery = TimeSpan.FromHours(1);

    // New messages wake the relay at once. The poll finds changes by other processes: a watermark that was
    // set back, a release from quarantine.
    private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(5);

    // Time for all batches in flight when the relay stops: a destination that hangs must not prevent the
    // journal from being closed before the supervisor's timeout.
    private static readonly TimeSpan s_stopTimeout = TimeSpan.FromSeconds(3);

    private readonly MessageJournal _journal;
    private readonly DeliverBatch _deliver;
    private readonly TimeSpan _keep;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly RelayBackoff _backoff;
    private readonly UnknownErrorPolicy _unknownErrors;
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _abandoned = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly object _gate = new();
    private readonly Queue<InFlightBatch> _inFlightBatches = new();
    private readonly HashSet<long> _damagedRows = [];
    private bool _isReached;
    private bool _hasNew;
    private long _watermark;
    private long _quarantined;
    private long _stopped;
    private long? _lastCheck;
    private long? _purged;
    private bool _purgeFails;
    private JournalReader? _reader;

    // Starts the thread. The journal must outlive the relay.
    // keep: how long delivered messages stay in the journal.
    public Relay(MessageJournal journal, DeliverBatch deliver, TimeSpan keep, TimeProvider time, ILogger log)
    {
        (_journal, _deliver, _keep, _time, _log) = (journal, deliver, keep, time, log);
        (_backoff, _unknownErrors) = (new RelayBackoff(log), new UnknownErrorPolicy(time));
        _journal.Grown += OnGrown;
        new Thread(Run) { Name = "relay", IsBackground = true }.Start();
    }

    // What an operator should know, one line each, up to five seconds old.
    public IReadOnlyList<string> Notes
    {
        get
        {
            var notes = new List<string>(2);
            long waiting = Backlog, held = Volatile.Read(ref _quarantined);
            string wait = waiting == 1 ? "is" : "are", stay = held == 1 ? "message is" : "messages are";
            if (_backoff.Failure is { } failure)
                notes.Add($"messages do not reach MongoDB: {failure}, {waiting:N0} {wait} waiting");
            if (held > 0) notes.Add($"{held:N0} {stay} in quarantine: letterbox quarantine list");
            return notes;
        }
    }

    // Messages that are still to be delivered.
    internal long Backlog => Math.Max(0, _journal.LastSequence - Volatile.Read(ref _watermark));

    private bool IsStopping => _stopping.IsCancellationRequested;

    // Ends after the batches in flight, or after 3 s; a batch that is not marked by then is sent again at the
    // next start. The journal may be closed after that. May be called twice.
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
            _hasNew = true;
            Monitor.PulseAll(_gate);
        }
    }

    private void Run()
    {
        while (!IsStopping)
        {
            if (TryRunOnce() is { } failure) Wait(_backoff.Failed(failure), () => IsStopping);
        }

        _reader?.Dispose();
        _abandoned.Cancel();
        _ended.SetResult();
    }

    private DeliveryFailure? TryRunOnce()
    {
        try
        {
            return RunOnce();
        }
        catch (StoreException e)
        {
            _reader?.Dispose();
            _reader = null;
            return new DeliveryFailure(e.Message);
        }
        catch (Exception e)
        {
            // A bug: messages wait, the relay continues.
            _log.LogError(e, "the relay failed unexpectedly");
            return new DeliveryFailure("the relay failed unexpectedly");
        }
    }

    // Delivers what is waiting, page by page, then waits for new messages. Returns why it had to stop.
    private DeliveryFailure? RunOnce()
    {
        // Batches still in flight when the last run failed are sent again; what is stored of them is ignored.
        while (_inFlightBatches.TryDequeue(out InFlightBatch? left)) AwaitOutcome(left);
        if (IsStopping) return null;
        MaintainJournal();
        if (!_isReached)
        {
            ReadWatermark();
            if (AwaitOutcome(Start(0, [])) is not { } outcome) return null;
            if (outcome.Failure is { } away) return away;
            _isReached = true;
            _log.LogInformation("MongoDB is reached");
            _backoff.Recovered(Backlog);
        }

        // Before reading, so that messages that arrive after it end the wait.
        lock (_gate) _hasNew = false;
        StartBatches(ReadWatermark());
        if (_inFlightBatches.Count == 0)
        {
            if (Backlog == 0) _backoff.Recovered(waiting: 0);
            Wait(s_poll, () => _hasNew || IsStopping);
        }

        while (_inFlightBatches.TryDequeue(out InFlightBatch? first))
        {
            if (AwaitOutcome(first) is not { } outcome) return null;
            if (Complete(first, outcome) is { } failure) return failure == s_stopped ? null : failure;
            _backoff.Recovered(Backlog);
            MaintainJournal();
            StartBatches(first.UpTo);
        }

        return null;
    }

    // Fills up the batches in flight; starts none when the watermark was set back, until it is read again.
    private void StartBatches(long watermark)
    {
        long after = _inFlightBatches.LastOrDefault()?.UpTo ?? watermark;
        while (_inFlightBatches.Count < InFlightMax && !IsStopping && ReadWatermark() == watermark)
        {
            IReadOnlyList<JournalEntry> page = Reader().ReadAfter(after);
            if (page.Count == 0) break;
            InFlightBatch batch = Start(after, page);
            _inFlightBatches.Enqueue(batch);
            after = batch.UpTo;
        }
    }

    private InFlightBatch Start(long after, IReadOnlyList<JournalEntry> entries)
    {
        var batch = new InFlightBatch(after, entries);
        _ = Task.Run(() => SendAsync(batch));
        return batch;
    }

    // The watermark is in the file: `letterbox redeliver` may set it back. The field is the last value read.
    private long ReadWatermark()
    {
        long watermark = Reader().ReadWatermark();
        Volatile.Write(ref _watermark, watermark);
        return watermark;
    }

    private JournalReader Reader()
    {
        if (_reader is not null) return _reader;
        _reader = JournalReader.Open(_journal.Path);
        _reader.OnDamage = (from, to, what) =>
        {
            _log.LogError("{Damage}", what);
            if (from == to) _damagedRows.Add(from);
        };
        return _reader;
    }

    private async Task SendAsync(InFlightBatch batch)
    {
        BatchOutcome outcome;
        try
        {
            outcome = await _deliver(batch.Entries, _abandoned.Token);
        }
        catch (Exception e)
        {
            _log.LogError(e, "the relay failed unexpectedly");
            outcome = BatchOutcome.Failed("the relay failed unexpectedly");
        }

        lock (_gate)
        {
            batch.Outcome = outcome;
            Monitor.PulseAll(_gate);
        }
    }

    // Waits for the outcome; null: the relay is stopping, and there is none in time.
    private BatchOutcome? AwaitOutcome(InFlightBatch batch)
    {
        Wait(Timeout.InfiniteTimeSpan, () => batch.Outcome is not null || IsStopping);
        TimeSpan left = s_stopTimeout - _time.GetElapsedTime(Volatile.Read(ref _stopped));
        if (batch.Outcome is null && left > TimeSpan.Zero) Wait(left, () => batch.Outcome is not null);
        return batch.Outcome;
    }

    // Marks a batch delivered, or returns why it has to be sent again. If only the mark fails it is sent
    // again too: that is rare, and cheaper than to remember the outcome.
    private DeliveryFailure? Complete(InFlightBatch batch, BatchOutcome outcome)
    {
        var rejected = new List<(JournalEntry Entry, string Reason)>();
        if (Sort(batch, outcome, rejected) is { } failure) return failure;
        // A damaged row goes to quarantine, so that it is not purged.
        (long, string)[] held =
        [
            .. rejected.Select(static held => (held.Entry.Sequence, held.Reason)),
            .. from row in _damagedRows where row > batch.After && row < batch.UpTo select (row, "damaged"),
        ];
        if (_journal.MarkDelivered(batch.After, batch.UpTo, held).Failure is { } failed) return new(failed);
        // If the watermark was set back meanwhile nothing was marked: the messages are sent again.
        if (ReadWatermark() == batch.UpTo && rejected.Count > 0) LogQuarantined(rejected);
        return null;
    }

    // Collects the messages that are rejected permanently; sends those whose keys conflict under other keys.
    private DeliveryFailure? Sort(
        InFlightBatch sent, BatchOutcome outcome, List<(JournalEntry, string)> rejected)
    {
        IReadOnlyList<JournalEntry> batch = sent.Entries;
        for (int rekeys = 0; ; rekeys++)
        {
            if (outcome.Failure is { } notStored) return notStored;
            if (_unknownErrors.RetryReason(outcome.Rejected, batch.Count) is { } reason) return new(reason);
            var taken = new List<JournalEntry>();
            foreach (RejectedEntry entry in outcome.Rejected)
            {
                bool rekey = entry.Reason == RejectedEntry.Conflict && rekeys < RekeysMax;
                if (rekey) taken.Add(batch[entry.Index]);
                else rejected.Add((batch[entry.Index], entry.Reason));
            }

            if (taken.Count == 0) return null;
            bool last = rekeys == RekeysMax - 1;
            var rekeyed = new List<JournalEntry>();
            if (_journal.Rekey(taken, fresh: last, rekeyed).Failure is { } failure) return new(failure);
            batch = rekeyed;
            if (batch.Count == 0) return null;
            LogRekeyed(taken);
            if (AwaitOutcome(Start(sent.After, batch)) is not { } next) return s_stopped;
            outcome = next;
        }
    }

    private void LogRekeyed(List<JournalEntry> taken) => _log.LogWarning(
        "MongoDB has another document under the key of message {Id}{More}: delivered under another key",
        taken[0].Message.Id, AndMore(taken.Count));

    private void LogQuarantined(List<(JournalEntry Entry, string Reason)> rejected)
    {
        _lastCheck = null;
        _log.LogError(
            "MongoDB rejects message {Id}{More}: {Reason}; kept in the journal, in quarantine",
            rejected[0].Entry.Message.Id, AndMore(rejected.Count), rejected[0].Reason);
    }

    private static string AndMore(int count) => count == 1 ? "" : $" and {count - 1} more";

    private void MaintainJournal()
    {
        PurgeIfDue();
        if (_lastCheck is { } last && _time.GetElapsedTime(last) < s_poll) return;
        _lastCheck = _time.GetTimestamp();
        if (Reader().IsReleaseRequested() && _journal.ReleaseFromQuarantine().Failure is { } failure)
            throw new StoreException(failure);
        Volatile.Write(ref _quarantined, Reader().CountQuarantine());
    }

    private void PurgeIfDue()
    {
        bool recently = _purged is { } last && _time.GetElapsedTime(last) < s_purgeEvery;
        if (recently && !_journal.IsShortOfSpace) return;
        _purged = _time.GetTimestamp();
        Result purged = _journal.Purge(_keep, _stopping.Token);
        if (!purged.Succeeded && !_purgeFails)
            _log.LogWarning("delivered messages cannot be purged: {Reason}; retrying", purged.Failure);
        if (purged.Succeeded && _purgeFails) _log.LogInformation("delivered messages are purged again");
        _purgeFails = !purged.Succeeded;
    }

    // Waits for a time, or until the condition holds, which is evaluated under the lock.
    private void Wait(TimeSpan timeout, Func<bool> until)
    {
        bool due = false;
        using ITimer timer = _time.CreateTimer(_ => Due(), null, timeout, Timeout.InfiniteTimeSpan);
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

    // The outcome is guarded by the lock.
    private sealed class InFlightBatch(long after, IReadOnlyList<JournalEntry> entries)
    {
        public long After => after;

        public IReadOnlyList<JournalEntry> Entries => entries;

        public long UpTo => entries[^1].Sequence;

        public BatchOutcome? Outcome { get; set; }
    }
}
