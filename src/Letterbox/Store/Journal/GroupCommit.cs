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

/// <summary>
/// A message that waits for its commit. The task ends with the receipt; what waits for it never runs on the
/// writer's thread, and must not block those behind it.
/// </summary>
internal sealed class Pending(Message message, DateTimeOffset received) : TaskCompletionSource<Receipt>
{
    /// <summary>The message.</summary>
    public Message Message => message;

    /// <summary>When it came in, local time.</summary>
    public DateTimeOffset Received => received;

    /// <summary>What it will be told; set by the commit.</summary>
    public Receipt Receipt { get; set; }
}

/// <summary>
/// Writes a batch and syncs it: sets the receipt of each message, and returns null once all of it is on
/// stable storage; or returns why nothing of it is.
/// </summary>
internal delegate string? CommitBatch(IReadOnlyList<Pending> batch);

/// <summary>The queue and the writer's thread.</summary>
internal sealed class GroupCommit : IAsyncDisposable
{
    /// <summary>
    /// Most messages that wait; beyond it senders are asked to come again. A second's work and more.
    /// </summary>
    public const int QueueMax = 16_384;

    /// <summary>Most bytes of text that wait: as many messages of 2,000 bytes.</summary>
    public const int QueueBytesMax = 32 * 1024 * 1024;

    /// <summary>
    /// Most messages in a batch. More would hardly make the sync cheaper, and the first would wait longer.
    /// </summary>
    public const int BatchMax = 256;

    /// <summary>
    /// Most bytes of text in it, and one message more: so a batch fits a small disk.
    /// </summary>
    public const int BatchBytesMax = 256 * 1024;

    private static readonly TimeSpan s_idle = TimeSpan.FromSeconds(1);

    private readonly object _gate = new();
    private readonly Queue<Pending> _messages = new();
    private int _bytes; // of the texts of the messages
    private readonly Queue<Action> _work = new();
    private readonly ConcurrentQueue<Pending[]> _committed = new();
    private readonly LoopSignal _brought = new();
    private readonly LoopSignal _answers = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _waking;
    private readonly Task _answering;
    private readonly CommitBatch _commit;
    private readonly Action _afterwards;
    private readonly Action _idle;
    private readonly ILogger _log;
    private bool _sleeps;
    private bool _closing;
    private int _failedBatches;
    private volatile string? _failure;

    /// <summary>Starts the thread.</summary>
    /// <param name="commit">Writes a batch; called on the writer's thread.</param>
    /// <param name="afterwards">
    /// Called on the writer's thread after a batch was committed and its answers are on their way; must be
    /// quick.
    /// </param>
    /// <param name="idle">Called there once a second while there is nothing to do.</param>
    /// <param name="log">Told when storing fails, and when it works again.</param>
    public GroupCommit(CommitBatch commit, Action afterwards, Action idle, ILogger log)
    {
        (_commit, _afterwards, _idle, _log) = (commit, afterwards, idle, log);
        _waking = Background.Run("waking the writer", WakeAsync);
        _answering = Background.Run("answering", AnswerAsync);
        new Thread(Run) { Name = "journal writer", IsBackground = true }.Start();
    }

    /// <summary>Why the last batch could not be stored; null when it was. Readable on any thread.</summary>
    public string? Failure => _failure;

    /// <summary>
    /// Queues a message; ends when its batch is committed, or has failed. At once when the queue is full.
    /// </summary>
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

        if (sleeps) _brought.Signal();
        return new ValueTask<Receipt>(pending.Task);
    }

    /// <summary>
    /// Runs <paramref name="work"/> on the writer's thread between two batches, and blocks until it is done:
    /// for callers that have a thread of their own.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The writer has stopped.</exception>
    public T Run<T>(Func<T> work)
    {
        var done = new ManualResetEventSlim();
        T? result = default;
        Exception? failure = null;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closing, this);
            _work.Enqueue(() =>
            {
                try
                {
                    result = work();
                }
                catch (Exception e)
                {
                    failure = e;
                }

                done.Set();
            });
            Wake();
        }

        done.Wait();
        if (failure is not null) throw new InvalidOperationException("work on the journal failed", failure);
        return result!;
    }

    /// <summary>Takes no more messages, commits and answers those it has, and ends the thread.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _closing = true;
            Wake();
        }

        await _ended.Task;
        _brought.Dispose();
        _answers.Dispose();
        await Task.WhenAll(_waking, _answering);
    }

    private void Wake()
    {
        if (_sleeps) Monitor.Pulse(_gate);
    }

    private async Task WakeAsync()
    {
        while (await _brought.WaitAsync())
        {
            lock (_gate) Wake();
        }
    }

    private async Task AnswerAsync()
    {
        while (await _answers.WaitAsync()) AnswerCommitted();
        AnswerCommitted();
    }

    // The last one first: when a connection hears of its oldest message all the others are known too, and
    // leave with it in one send.
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
        while (Take(batch, out Action? work))
        {
            if (batch.Count == 0 && work is null) Guard(_idle);
            if (batch.Count > 0) Commit(batch);
            batch.Clear();
            work?.Invoke();
        }

        _ended.SetResult();
    }

    // Waits for something to do, or a second; false: there is nothing left and never will be.
    private bool Take(List<Pending> batch, out Action? work)
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
        string? failure = TryCommit(batch);
        if (failure is null)
        {
            // Said before the answers: whoever has one finds the state that it speaks of.
            if (_failedBatches > 0) Recovered();
        }
        else
        {
            Failed(failure);
            foreach (Pending message in batch) message.Receipt = Receipt.Later(failure);
        }

        _committed.Enqueue([.. batch]);
        _answers.Signal();
        if (failure is null) Guard(_afterwards);
    }

    private void Guard(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e)
        {
            // A bug of ours, or a file that cannot be looked at: the writer goes on.
            _log.LogError(e, "the writer of the journal met a fault");
        }
    }

    private string? TryCommit(List<Pending> batch)
    {
        try
        {
            return _commit(batch);
        }
        catch (Exception e)
        {
            // A bug of ours: it costs this batch a delay, never the writer.
            _log.LogError(e, "a batch failed by a fault of the program");
            return "the store failed";
        }
    }

    private void Failed(string failure)
    {
        _failure = failure;
        if (_failedBatches++ > 0) return;
        _log.LogError("messages cannot be stored: {Reason}; senders are told to wait", failure);
    }

    private void Recovered()
    {
        _failure = null;
        _log.LogInformation("messages are stored again; {Batches} batches had to wait", _failedBatches);
        _failedBatches = 0;
    }
}
