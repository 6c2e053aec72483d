// Group commit: many messages share one sync. There is no timer: while one batch is being synced the next one
// gathers, so a lone message never waits for more and a burst shares the cost.
//
//    senders ──▶ queue (bounded) ──▶ the writer's thread: take what is queued ─▶ commit ─▶ next
//                   └─ signal: wake it, if it sleeps              └─ signal: answer each message of the batch
//
// Only this thread writes to the database. It also does the other work on the journal (marks, purges), one
// piece between two batches, so that no lock is needed and messages are not delayed for long. Both directions
// use a LoopSignal, so that messages that arrive together are batched together and answered together.

using System.Collections.Concurrent;
using Letterbox.Hosting;
using Letterbox.Messages;
using Microsoft.Extensions.Logging;

namespace Letterbox.Store.Journal;

// A message that waits for its commit. The task completes with the receipt. Its continuations never run on
// the writer's thread, and must not block.
internal sealed class Pending(Message message, DateTimeOffset received) : TaskCompletionSource<Receipt>
{
    public Message Message => message;

    // Local time.
    public DateTimeOffset Received => received;

    // Set by the commit.
    public Receipt Receipt { get; set; }
}

// Writes a batch, syncs it and sets the receipt of each message. If it fails nothing of the batch is stored.
internal delegate Result CommitBatch(IReadOnlyList<Pending> batch);

internal sealed class GroupCommit : IAsyncDisposable
{
    // Most messages that wait, more than a second's work; beyond it senders have to retry.
    public const int QueueMax = 16_384;

    // Most bytes of text that wait: as many messages of 2,000 bytes.
    public const int QueueBytesMax = 32 * 1024 * 1024;

    // Most messages in a batch. More would hardly make the sync cheaper, and the first would wait longer.
    public const int BatchMax = 256;

    // Most bytes of text in a batch, plus one message: a batch fits on a small disk.
    public const int BatchBytesMax = 256 * 1024;

    private static readonly TimeSpan s_idle = TimeSpan.FromSeconds(1);

    private readonly object _gate = new();
    private readonly Queue<Pending> _messages = new();
    private int _bytes; // of the texts in the queue
    private readonly Queue<Task> _work = new();
    private readonly ConcurrentQueue<Pending[]> _committed = new();
    private readonly LoopSignal _arrived = new();
    private readonly LoopSignal _answers = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _loops;
    private readonly CommitBatch _commit;
    private readonly Action _afterwards;
    private readonly Action _idle;
    private readonly ILogger _log;
    private bool _sleeps;
    private bool _closing;
    private int _failedBatches;
    private volatile string? _failure;

    // Starts the thread, which calls all three.
    // afterwards: called after a batch was committed and its answers were queued; must be quick.
    // idle: called once a second while there is nothing to do.
    public GroupCommit(CommitBatch commit, Action afterwards, Action idle, ILogger log)
    {
        (_commit, _afterwards, _idle, _log) = (commit, afterwards, idle, log);
        _loops = Task.WhenAll(
            Background.Run("waking the writer", WakeAsync), Background.Run("answering", AnswerAsync));
        new Thread(Run) { Name = "journal writer", IsBackground = true }.Start();
    }

    // Why the last batch could not be stored; null when it was. Readable on any thread.
    public string? Failure => _failure;

    // Queues a message. Completes when its batch is committed or has failed; at once if the queue is full.
    public ValueTask<Receipt> AddAsync(Message message, DateTimeOffset received)
    {
        var pending = new Pending(message, received);
        bool sleeps;
        lock (_gate)
        {
            if (_closing) return ValueTask.FromResult(Receipt.Later("the store is stopping"));
            if (_messages.Count >= QueueMax || _bytes >= QueueBytesMax)
                return ValueTask.FromResult(Receipt.Later("too many messages are waiting to be stored"));
            _messages.Enqueue(pending);
            _bytes += message.TextUtf8.Length;
            sleeps = _sleeps;
        }

        if (sleeps) _arrived.Signal();
        return new ValueTask<Receipt>(pending.Task);
    }

    // Runs work on the writer's thread between two batches. Blocks until it is done.
    // Throws ObjectDisposedException: The writer has stopped.
    public T Run<T>(Func<T> work)
    {
        var task = new Task<T>(work);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closing, this);
            _work.Enqueue(task);
            Wake();
        }

        return task.GetAwaiter().GetResult();
    }

    // Accepts no more messages, commits and answers the queued ones, and ends the thread.
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _closing = true;
            Wake();
        }

        await _ended.Task;
        _arrived.Dispose();
        _answers.Dispose();
        await _loops;
    }

    private void Wake()
    {
        if (_sleeps) Monitor.Pulse(_gate);
    }

    private async Task WakeAsync()
    {
        while (await _arrived.WaitAsync())
        {
            lock (_gate) Wake();
        }
    }

    private async Task AnswerAsync()
    {
        while (await _answers.WaitAsync()) AnswerCommitted();
        AnswerCommitted();
    }

    // In reverse: when a connection receives the answer to its oldest message the rest are known too, and all
    // are sent together.
    private void AnswerCommitted()
    {
        while (_committed.TryDequeue(out Pending[]? batch))
        {
            for (int i = batch.Length - 1; i >= 0; i--) batch[i].SetResult(batch[i].Receipt);
        }
    }

    private void Run()
    {
        var batch = new List<Pending>(BatchMax);
        while (Take(batch, out Task? work))
        {
            if (batch.Count == 0 && work is null) Guard(_idle);
            if (batch.Count > 0) Commit(batch);
            batch.Clear();
            work?.RunSynchronously();
        }

        _ended.SetResult();
    }

    // Waits for work, at most a second; false: closing, and nothing is left.
    private bool Take(List<Pending> batch, out Task? work)
    {
        lock (_gate)
        {
            bool waited = true;
            while (_messages.Count == 0 && _work.Count == 0 && !_closing && waited)
            {
                _sleeps = true;
                waited = Monitor.Wait(_gate, s_idle);
                _sleeps = false;
            }

            for (int bytes = 0; batch.Count < BatchMax && bytes < BatchBytesMax
                 && _messages.TryDequeue(out Pending? next); bytes += next.Message.TextUtf8.Length)
            {
                batch.Add(next);
                _bytes -= next.Message.TextUtf8.Length;
            }

            _work.TryDequeue(out work);
            return batch.Count > 0 || work is not null || !_closing;
        }
    }

    private void Commit(List<Pending> batch)
    {
        var result = Result.Failed("the store failed unexpectedly");
        Guard(() => result = _commit(batch));
        // Before the answers, so that a sender with an answer sees the new state.
        Note(result);
        if (!result.Succeeded)
            foreach (Pending message in batch) message.Receipt = Receipt.Later(result.Failure);
        _committed.Enqueue([.. batch]);
        _answers.Signal();
        if (result.Succeeded) Guard(_afterwards);
    }

    private void Guard(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e)
        {
            // A bug, or a file that cannot be checked: the writer continues.
            _log.LogError(e, "the writer of the journal failed unexpectedly");
        }
    }

    private void Note(Result result)
    {
        _failure = result.Failure;
        if (result.Succeeded && _failedBatches > 0)
        {
            _log.LogInformation("messages are stored again; {Batches} batches had to wait", _failedBatches);
            _failedBatches = 0;
        }

        if (!result.Succeeded && _failedBatches++ == 0)
            _log.LogError("messages cannot be stored: {Reason}; senders are asked to wait", result.Failure);
    }
}
