// From the journal to MongoDB, in a world that is made of one seed.
//
//    1. Messages come into the journal, some while the relay waits, some while it backs off.
//    2. MongoDB takes nothing, or a part, or all, and the answer is lost; a commit of the journal fails (that
//       of a message, of a mark or of a purge); the process is killed between MongoDB's answer and the mark,
//       or stopped and started, an hour later at times: then what was delivered is purged. The disk fills and
//       has room again; the database is moved away and brought back.
//    3. A attacker knows every key that was ever shown, on a page or on a receipt, and leaves messages of his
//       own under them: in this journal, or in MongoDB through another store. Visitors whose key is taken go
//       on under the next one, as FormPost does for them.
//    4. Then all faults end, and soon MongoDB must hold what was acknowledged, once, as it was sent; and each
//       receipt still answers, and brings nothing twice.
//
// Real are Journal and SQLite, JournalReader and Relay with its thread. Simulated are time and MongoDB, which
// swallows a key that it has, as MongoStore does by the real one's answers.

using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;
using SQLitePCL;

namespace Letterbox.Tests.Simulation;

/// <summary>A way to break the promise on purpose, to see that it is noticed.</summary>
public enum RelaySabotage
{
    /// <summary>None.</summary>
    None,

    /// <summary>MongoDB acknowledges what it does not keep.</summary>
    Forget,

    /// <summary>A message whose key has gone stays behind.</summary>
    LeaveBehind,
}

/// <summary>One world; <see cref="RunAsync"/> throws when the promise is broken.</summary>
internal sealed class RelaySimulation(int seed, RelaySabotage sabotage = RelaySabotage.None)
    : IAsyncDisposable
{
    private const int Steps = 40;
    private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_keep = TimeSpan.FromMinutes(30);

    // No assertion depends on it: it turns a hang into a failure.
    private static readonly TimeSpan s_hang = TimeSpan.FromSeconds(60);

    private readonly Random _random = new(seed);
    private readonly TempFolder _folder = new();
    private readonly SemaphoreSlim _grown = new(0);
    private readonly Ledger _ledger = new();
    private readonly Dictionary<string, string> _mongo = new(StringComparer.Ordinal);

    // Keys that were shown; messages whose pages are open; receipts.
    private readonly List<MessageKey> _shown = [];
    private readonly Queue<Message> _open = new();
    private List<(Message Message, bool Purged)> _thanked = [];
    private ManualTime _time = new();
    private MessageJournal? _journal;
    private Relay? _relay;
    private TimeSpan _wait;
    private int _life;
    private bool _killed;
    private bool _calm;
    private bool _away;

    private string Life => _folder.File($"life {_life}");

    /// <summary>Lets it happen.</summary>
    public async Task RunAsync()
    {
        await StartAsync();
        for (int step = 0; step < Steps; step++) await StepAsync();
        _calm = true;
        BringBack();
        MakeRoom();
        await EndAsync();
        foreach ((Message message, bool purged) in _thanked)
        {
            Receipt receipt = await AppendAsync(message);
            // A key that the journal has forgotten may have gone to a attacker since.
            Assert.True(receipt == Receipt.Stored(message.Id) || (purged && receipt.IsTaken), receipt.Reason);
            await WaitsAsync();
        }

        await EndAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _grown.Dispose();
        _folder.Dispose();
    }

    private async Task EndAsync()
    {
        for (int turn = 0; turn < 5 || _relay!.Backlog > 0; turn++)
        {
            Assert.True(turn < 100, "the relay does not come to its end");
            await AdvanceAsync();
        }

        Verdict verdict = _ledger.Audit(_mongo.Select(static row => (row.Key, row.Value)), anyKey: true);
        Assert.True(verdict == Verdict.Kept, $"the promise is broken: {verdict}");
    }

    private async Task StepAsync()
    {
        switch (_random.Next(14))
        {
            case < 2 when _shown.Count > 0:
                // Through another store, whose relay was quicker.
                Message message = _ledger.Next(_random, AnyShown());
                if (_mongo.TryAdd(message.Id.ToString(), message.Text)) _ledger.Thank(message);
                break;
            case < 6:
                // News wakes a relay that waits for it: then one message has to be enough.
                int count = _wait == s_poll ? 1 : _random.Next(1, 6);
                for (int i = 0; i < count; i++) await AppendAsync();
                if (_wait == s_poll) await WaitsAsync();
                break;
            case < 10:
                await AdvanceAsync();
                break;
            case < 11:
                if (_journal!.Writer.Connection is { } open)
                    raw.sqlite3_commit_hook(open.Handle, static _ => 1, null);
                break;
            case < 12:
                // A page of its own is taken by each message that does not fit into the last one.
                _journal!.Writer.Connection?.Execute("PRAGMA max_page_count=1");
                break;
            case < 13 when !_away:
                File.Move(_journal!.Path, Away);
                _away = true;
                break;
            default:
                BringBack();
                await StopAsync();
                await StartAsync(later: _random.Next(2) * 2 * s_keep);
                break;
        }
    }

    private async Task AppendAsync()
    {
        bool attacker = _shown.Count > 0 && _random.Next(4) == 0;
        if (!attacker && (_open.Count == 0 || _random.Next(2) == 0)) Open(_ledger.Next(_random));
        Message message = attacker ? _ledger.Next(_random, AnyShown()) : _open.Dequeue();
        Receipt receipt = await AppendAsync(message);
        if (receipt.Kind == ReceiptKind.Stored)
        {
            Assert.Equal(message.Id, receipt.Id);
            _ledger.Thank(message);
            _thanked.Add((message, false));
            return;
        }

        Assert.True(receipt.IsTaken, receipt.Reason);
        if (!attacker) Open(message.WithId(TextKey.Of(message).Next));
    }

    private async Task<Receipt> AppendAsync(Message message)
    {
        Receipt receipt;
        while ((receipt = await _journal!.AppendAsync(message)).Kind == ReceiptKind.Later)
        {
            if (_random.Next(3) == 0) BringBack();
            if (_random.Next(3) == 0) MakeRoom();
        }

        Assert.False(_away, "thanked into a journal that is gone");
        // The news follow the answer: until the relay has them it is not known what it is doing.
        await _grown.WaitAsync();
        return receipt;
    }

    private string Away => _folder.File("away");

    private void BringBack()
    {
        if (_away) File.Move(Away, _journal!.Path);
        _away = false;
    }

    private void MakeRoom() => _journal!.Writer.Connection?.Execute("PRAGMA max_page_count=1000000");

    // A page with this key is shown.
    private void Open(Message message)
    {
        _ledger.Sent(message);
        _shown.Add(message.Id);
        _open.Enqueue(message);
    }

    private MessageKey AnyShown() => _shown[^_random.Next(1, Math.Min(6, _shown.Count) + 1)];

    private async Task AdvanceAsync()
    {
        _time.Advance(_wait);
        await WaitsAsync();
    }

    // Until the relay has done what it could and waits again.
    private async Task WaitsAsync()
    {
        _wait = await _time.NextTimerAsync().WaitAsync(s_hang);
        if (!_killed) return;
        _killed = false;
        await StopAsync();
        _life++;
        await StartAsync();
    }

    private async Task StartAsync(TimeSpan later = default)
    {
        // Timers of an earlier life have gone with its clock.
        _time = new ManualTime(_time.GetUtcNow() + later);
        if (later > s_keep) _thanked = [.. _thanked.Select(static row => row with { Purged = true })];
        _journal = MessageJournal.Open(Life, _time, new RecordingLog());
        _relay = new Relay(_journal, MongoMessages.Blocking(Deliver), s_keep, _time, new RecordingLog());
        // Behind the relay, which hears of it first.
        _journal.Grown += (_, _) => _grown.Release();
        await WaitsAsync();
    }

    private async Task StopAsync()
    {
        if (_relay is not null) await _relay.DisposeAsync();
        if (_journal is not null) await _journal.DisposeAsync();
        (_relay, _journal) = (null, null);
    }

    // MongoDB; on a thread of the relay's, while the world waits for it.
    private BatchOutcome Deliver(IReadOnlyList<JournalEntry> batch)
    {
        switch (_calm ? int.MaxValue : _random.Next(8))
        {
            case 0:
                return BatchOutcome.Failed("not reached");
            case 1:
                Insert(batch);
                return BatchOutcome.Failed("the answer was lost");
            case 2:
                Insert(batch.Where(_ => _random.Next(2) == 0));
                return BatchOutcome.Failed("not durable");
            case 3:
                if (_random.Next(2) == 0) Insert(batch);
                Kill();
                return BatchOutcome.Failed("killed");
            case 4 when sabotage == RelaySabotage.Forget:
                return new BatchOutcome(null, []);
            default:
                return new BatchOutcome(null, Insert(batch));
        }
    }

    // What is rejected.
    private List<RejectedEntry> Insert(IEnumerable<JournalEntry> batch)
    {
        var rejected = new List<RejectedEntry>();
        string reason = sabotage == RelaySabotage.LeaveBehind ? "taken" : RejectedEntry.Conflict;
        foreach ((int index, JournalEntry entry) in batch.Index())
        {
            (string id, string text) = (entry.Message.Id.ToString(), entry.Message.Text);
            if (!_mongo.TryAdd(id, text) && _mongo[id] != text) rejected.Add(new(index, reason));
        }

        return rejected;
    }

    // The next life begins with what the files hold at this moment, before the batch is marked.
    private void Kill()
    {
        BringBack();
        _killed = true;
        string next = _folder.File($"life {_life + 1}");
        Directory.CreateDirectory(next);
        foreach (string kind in new[] { "", "-wal" })
            File.Copy(_journal!.Path + kind, Path.Combine(next, JournalFile.Name + kind));
    }
}
