// Opens the journal at the start of the store process. While it cannot be opened messages wait, as they do
// when the disk fails under an open one, and the opening is tried again every second.
//
//   what is in the way (StoreObstacle)              first start             restart after it was ready
//   Disk: full, failing; a foreign transaction      messages wait           messages wait
//   Access: rights, read-only, not mounted          refused: mistyped?      messages wait
//   None: damaged, newer than this, not a journal   refused                 refused
//
// A restart makes no journal: where there was one and is none now a disk is not mounted, or the files were
// moved away, and messages in a new one would not be found with the old ones.

using Letterbox.Messages;
using Microsoft.Extensions.Logging;

namespace Letterbox.Store.Journal;

/// <summary>The journal, open or not yet. <see cref="AppendAsync"/> is a <see cref="Deliver"/>.</summary>
/// <param name="open">Opens it.</param>
/// <param name="isRestart">An earlier process had it open.</param>
/// <param name="time">The clock of the retries.</param>
/// <param name="log">Told when it cannot be opened, and when it is.</param>
internal sealed class JournalOpener(Func<MessageJournal> open, bool isRestart, TimeProvider time, ILogger log)
    : IAsyncDisposable
{
    /// <summary>How often the opening is tried.</summary>
    public static readonly TimeSpan RetryEvery = TimeSpan.FromSeconds(1);

    private volatile MessageJournal? _journal;
    private volatile StoreException? _failure;

    /// <summary>Why no message can be stored, fit for anyone to read; null: nothing is known.</summary>
    public string? Failure =>
        _journal is { } journal ? journal.Gone : _failure?.Reason ?? "the store is starting";

    /// <summary>What a person should see to, a line each.</summary>
    public IReadOnlyList<string> Notes => _journal?.Notes ?? [];

    /// <summary>Why the open journal cannot store messages now.</summary>
    public string? CommitFailure => _journal?.Failure;

    /// <summary>Stores a message, or has it wait.</summary>
    public ValueTask<Receipt> AppendAsync(Message message) =>
        _journal?.AppendAsync(message)
        ?? ValueTask.FromResult(Receipt.Later(Failure ?? "the store is starting"));

    /// <summary>One attempt; null: not now.</summary>
    /// <exception cref="StoreException">It cannot be used, and that will not pass by itself.</exception>
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
                log.LogError("messages cannot be stored: {Reason}; senders are told to wait", e.Message);
            _failure = e;
            return null;
        }

        if (_failure is not null) log.LogInformation("the journal is open: messages are stored again");
        _failure = null;
        return _journal;
    }

    /// <summary>Tries until it is open; null: it was not at <paramref name="stop"/>.</summary>
    /// <exception cref="StoreException">As for <see cref="TryOpen"/>.</exception>
    public async Task<MessageJournal?> OpenAsync(CancellationToken stop)
    {
        while (_journal is null && !stop.IsCancellationRequested)
        {
            await Task.Delay(RetryEvery, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!stop.IsCancellationRequested) TryOpen();
        }

        return _journal;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _journal?.DisposeAsync() ?? ValueTask.CompletedTask;
}
