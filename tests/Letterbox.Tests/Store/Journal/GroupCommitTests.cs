// Group commit alone, with commits that the test blocks, fails and releases.

using System.Collections.Concurrent;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Journal;

public sealed class GroupCommitTests : IAsyncDisposable
{
    private readonly RecordingLog _log = new();
    private readonly ConcurrentQueue<string[]> _batches = new();
    private readonly SemaphoreSlim _entered = new(0);
    private readonly SemaphoreSlim _go = new(0);
    private GroupCommit? _commits;

    public async ValueTask DisposeAsync()
    {
        // A test that failed may have left a commit held.
        _go.Release(1_000_000);
        if (_commits is not null) await _commits.DisposeAsync();
        _entered.Dispose();
        _go.Dispose();
    }

    [Fact]
    public async Task A_message_is_answered_only_after_its_commit_returned()
    {
        GroupCommit commits = Commits(StoreWhenReleased);
        Task<Receipt> receipt = Add(commits, "one");
        await _entered.WaitAsync(TestContext.Current.CancellationToken);
        Assert.False(receipt.IsCompleted);
        _go.Release();
        Assert.Equal(ReceiptKind.Stored, (await receipt).Kind);
    }

    [Fact]
    public async Task What_comes_during_a_commit_makes_the_next_batch_in_order_and_at_most_256()
    {
        GroupCommit commits = Commits(StoreWhenReleased);
        var receipts = new List<Task<Receipt>> { Add(commits, "first") };
        await _entered.WaitAsync(TestContext.Current.CancellationToken);
        for (int n = 0; n < 300; n++) receipts.Add(Add(commits, $"{n}"));
        _go.Release(3);
        await Task.WhenAll(receipts);

        Assert.Equal([1, 256, 44], _batches.Select(static batch => batch.Length));
        Assert.Equal(
            Enumerable.Range(0, 300).Select(static n => $"{n}"),
            _batches.Skip(1).SelectMany(static batch => batch));
    }

    [Fact]
    public async Task A_full_queue_answers_later_at_once_and_loses_no_message_in_it()
    {
        GroupCommit commits = Commits(
            batch => _batches.IsEmpty ? StoreWhenReleased(batch) : Store(batch));
        var receipts = new List<Task<Receipt>> { Add(commits, "held") };
        await _entered.WaitAsync(TestContext.Current.CancellationToken);
        for (int n = 0; n < GroupCommit.QueueMax; n++) receipts.Add(Add(commits, "queued"));

        Task<Receipt> tooMany = Add(commits, "too many");
        Assert.True(tooMany.IsCompleted);
        Assert.Equal(Receipt.Later("too many messages are waiting to be stored"), await tooMany);

        _go.Release();
        Assert.All(
            await Task.WhenAll(receipts), static receipt => Assert.Equal(ReceiptKind.Stored, receipt.Kind));
        Assert.Equal(ReceiptKind.Stored, (await Add(commits, "space again")).Kind);
    }

    [Fact]
    public async Task A_failed_batch_makes_all_of_it_wait_and_is_logged_once_with_its_end()
    {
        int failures = 3;
        GroupCommit commits = Commits(
            batch => failures-- > 0 ? Result.Failed("the disk is full") : Store(batch));
        for (int n = 0; n < 3; n++) Assert.Equal(Receipt.Later("the disk is full"), await Add(commits, "x"));
        Assert.Equal(ReceiptKind.Stored, (await Add(commits, "x")).Kind);
        await commits.DisposeAsync();
        Assert.Equal(
            ["Error: messages cannot be stored: the disk is full; senders are asked to wait",
             "Information: messages are stored again; 3 batches had to wait"],
            _log.Lines);
    }

    [Fact]
    public async Task A_bug_delays_one_batch_and_never_stops_the_writer()
    {
        bool broken = true;
        GroupCommit commits = Commits(
            batch => broken ? throw new InvalidOperationException() : Store(batch));
        Assert.Equal(ReceiptKind.Later, (await Add(commits, "x")).Kind);
        broken = false;
        Assert.Equal(ReceiptKind.Stored, (await Add(commits, "x")).Kind);
    }

    [Fact]
    public async Task Other_work_runs_on_the_same_thread_between_batches_and_hands_back_what_it_throws()
    {
        int writer = 0;
        GroupCommit commits = Commits(batch =>
        {
            writer = Environment.CurrentManagedThreadId;
            return Store(batch);
        });
        await Add(commits, "x");
        Assert.Equal(writer, commits.Run(static () => Environment.CurrentManagedThreadId));
        Assert.Throws<IOException>(() => commits.Run<int>(static () => throw new IOException("bad")));
        Assert.Equal(ReceiptKind.Stored, (await Add(commits, "x")).Kind);
    }

    [Fact]
    public async Task What_waits_for_a_receipt_never_runs_on_the_writers_thread()
    {
        int writer = 0;
        GroupCommit commits = Commits(batch =>
        {
            writer = Environment.CurrentManagedThreadId;
            return Store(batch);
        });
        int continued = await Add(commits, "x").ContinueWith(
            static _ => Environment.CurrentManagedThreadId, CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        Assert.NotEqual(writer, continued);
    }

    [Fact]
    public async Task Stopping_commits_and_answers_what_was_accepted_and_rejects_the_rest()
    {
        GroupCommit commits = Commits(StoreWhenReleased);
        var receipts = new List<Task<Receipt>> { Add(commits, "first") };
        await _entered.WaitAsync(TestContext.Current.CancellationToken);
        for (int n = 0; n < 1000; n++) receipts.Add(Add(commits, $"{n}"));
        Task stopped = commits.DisposeAsync().AsTask();
        Assert.Equal(Receipt.Later("the store is stopping"), await Add(commits, "late"));
        Assert.Throws<ObjectDisposedException>(() => commits.Run(static () => 0));
        Assert.False(stopped.IsCompleted);
        _go.Release(1000);
        await stopped;
        Assert.All(receipts, static receipt => Assert.True(receipt.IsCompleted));
        Assert.Equal(1001, _batches.Sum(static batch => batch.Length));
    }

    private GroupCommit Commits(CommitBatch commit) =>
        _commits = new(commit, static () => { }, static () => { }, _log);

    private static Task<Receipt> Add(GroupCommit commits, string text) =>
        commits.AddAsync(Samples.Message(text), DateTimeOffset.UnixEpoch).AsTask();

    private Result StoreWhenReleased(IReadOnlyList<Pending> batch)
    {
        _entered.Release();
        _go.Wait();
        return Store(batch);
    }

    private Result Store(IReadOnlyList<Pending> batch)
    {
        _batches.Enqueue([.. batch.Select(static pending => pending.Message.Text)]);
        foreach (Pending pending in batch) pending.Receipt = Receipt.Stored(pending.Message.Id);
        return Result.Success;
    }
}
