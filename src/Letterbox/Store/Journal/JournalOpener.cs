// Opens the journal at the start of the store process. Until it is open messages wait, as they do when the
// disk fails under an open journal, and opening is retried every second.
//
//   obstacle (StoreObstacle)                          first start             restart after it was ready
//   Disk: full, failing, another transaction          messages wait           messages wait
//   Access: permissions, read-only, not mounted       exit: mistyped?         messages wait
//   None: damaged, newer version, not a journal       exit                    exit
//
// A restart creates no journal: if the old one is missing, a disk is not mounted or the files were moved
// away, and messages in a new journal would be separated from the old ones.

using Letterbox.Messages;
using Microsoft.Extensions.Logging;

namespace Letterbox.Store.Journal;

// The journal, open or not yet.
// isRestart: an earlier process had it open.
internal sealed class JournalOpener(Func<MessageJournal> open, bool isRestart, TimeProvider time, ILogger log)
    : IAsyncDisposable
{
    public static readonly TimeSpan RetryEvery = TimeSpan.FromSeconds(1);

    private volatile MessageJournal? _journal;
    private volatile StoreException? _failure;

    // Why no message can be stored, for anyone to read; null: no reason is known.
    public string? Failure =>
        _journal is { } journal ? journal.MissingFile : _failure?.Reason ?? "the store is starting";

    // What an operator should know, one line each.
    public IReadOnlyList<string> Notes => _journal?.Notes ?? [];

    // Why the open journal cannot store messages now.
    public string? CommitFailure => _journal?.Failure;

    public ValueTask<Receipt> AppendAsync(Message message) =>
        _journal?.AppendAsync(message)
        ?? ValueTask.FromResult(Receipt.Later(Failure ?? "the store is starting"));

    // One attempt; null: it failed, to be retried.
    public MessageJournal? TryOpen()
    {
        try
        {
            _journal ??= open();
        }
        catch (StoreException e) when (
            e.Obstacle == StoreObstacle.Disk || (isRestart && e.Obstacle == StoreObstacle.Access))
        {
            if (e.Message != _failure?.Message)
                log.LogError("messages cannot be stored: {Reason}; senders are asked to wait", e.Message);
            _failure = e;
            return null;
        }

        if (_failure is not null) log.LogInformation("the journal is open: messages are stored again");
        _failure = null;
        return _journal;
    }

    // Retries until it is open; null: stopped before.
    public async Task<MessageJournal?> OpenAsync(CancellationToken stop)
    {
        while (_journal is null && !stop.IsCancellationRequested)
        {
            await Task.Delay(RetryEvery, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!stop.IsCancellationRequested) TryOpen();
        }

        return _journal;
    }

    public ValueTask DisposeAsync() => _journal?.DisposeAsync() ?? ValueTask.CompletedTask;
}
