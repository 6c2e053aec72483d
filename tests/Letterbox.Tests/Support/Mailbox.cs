// Takes messages in place of the journal, and answers when and what the test says.

using System.Collections.Concurrent;
using System.Threading.Channels;
using Letterbox.Messages;

namespace Letterbox.Tests.Support;

/// <summary>
/// Records what is delivered. Answers at once that it is stored, unless it is told to hold. Safe on any
/// thread.
/// </summary>
internal sealed class Mailbox
{
    private readonly ConcurrentQueue<Message> _messages = new();
    private readonly Channel<(Message Message, TaskCompletionSource<Receipt> Answer)> _held =
        Channel.CreateUnbounded<(Message, TaskCompletionSource<Receipt>)>();

    /// <summary>Leave the answers to the test, see <see cref="NextAsync"/>.</summary>
    public bool Holds { get; init; }

    /// <summary>Everything delivered, in order.</summary>
    public IReadOnlyList<Message> Messages => [.. _messages];

    /// <summary>Matches <see cref="Deliver"/>.</summary>
    public ValueTask<Receipt> DeliverAsync(Message message)
    {
        _messages.Enqueue(message);
        if (!Holds) return new ValueTask<Receipt>(Receipt.Stored(message.Id));
        var answer = new TaskCompletionSource<Receipt>(TaskCreationOptions.RunContinuationsAsynchronously);
        Assert.True(_held.Writer.TryWrite((message, answer)));
        return new ValueTask<Receipt>(answer.Task);
    }

    /// <summary>
    /// The next message that is held, and the way to answer it. Fails after 30 s without one.
    /// </summary>
    public async Task<(Message Message, TaskCompletionSource<Receipt> Answer)> NextAsync() =>
        await _held.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30));
}
