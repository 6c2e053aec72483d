// Asks the stores for the web process: whether they can take messages, and for receipts. Each request goes
// over a separate connection, so that neither it nor a message waits for the other.

using System.Text;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;

namespace Letterbox.Sockets;

/// <summary>Safe on any thread, concurrently.</summary>
internal sealed class StoreProbe(
    IReadOnlyList<Address> stores, MutualTls? tls, LinkLimits limits, TimeProvider time)
{
    // A flood of receipts must not take the stores' connections from messages.
    private const int ReceiptsMax = 16;

    private readonly Lock _gate = new();
    private int _receipts;
    private Task<Readiness>? _answer;
    private long _asked;

    // Ready if at least one store takes messages; failures of the others are notes. The result is at most
    // ProbeEvery old, and takes at most ProbeTimeout.
    public Task<Readiness> AskAsync()
    {
        lock (_gate)
        {
            bool fresh = _answer is { } last
                && (!last.IsCompleted || time.GetElapsedTime(_asked) < limits.ProbeEvery);
            if (fresh) return _answer!;
            _asked = time.GetTimestamp();
            return _answer = AskAllAsync();
        }
    }

    // Stored if any store has the message; Unavailable also if too many receipts are asked for at once.
    public async ValueTask<FoundReceipt> FindAsync(MessageKey id)
    {
        try
        {
            if (Interlocked.Increment(ref _receipts) > ReceiptsMax) return default;
            byte[] request = Encoding.ASCII.GetBytes($"?id={id}\n");
            var answers = await Task.WhenAll(stores.Select(store => AskAsync(store, request)));
            FoundReceipt[] found = [.. answers.Select(static answer => Answer.ReadFound(answer.Line))];
            FoundReceipt[] stored = [.. found.Where(static one => one.State == ReceiptState.Stored)];
            return stored.Length > 0 ? stored[0] : found.MinBy(static one => one.State);
        }
        finally
        {
            Interlocked.Decrement(ref _receipts);
        }
    }

    private async Task<Readiness> AskAllAsync()
    {
        (string? Reason, IReadOnlyList<string> Notes)[] answers = await Task.WhenAll(stores.Select(AskAsync));
        string[] reasons = [.. answers.Select(one => one.Reason).OfType<string>()];
        if (reasons.Length == stores.Count) return new Readiness(reasons, []);
        return new Readiness([], [.. reasons, .. answers.SelectMany(one => one.Notes)]);
    }

    private async Task<(string? Reason, IReadOnlyList<string> Notes)> AskAsync(Address store)
    {
        (byte[] line, string? failure) = await AskAsync(store, Liveness.StoreRequest);
        if (failure is not null) return (failure, []);
        if (!Answer.TryReadStatus(line, out string? wait, out IReadOnlyList<string> notes))
            return ($"the store at {store} does not answer", []);
        if (wait is not null) return ($"the store at {store} takes no messages: {wait}", []);
        bool alone = stores.Count == 1;
        return (null, alone ? notes : [.. notes.Select(note => $"the store at {store}: {note}")]);
    }

    // One line for an answer, and why the store cannot be reached.
    private async Task<(byte[] Line, string? Failure)> AskAsync(Address store, ReadOnlyMemory<byte> request)
    {
        using var deadline = new CancellationTokenSource(limits.ProbeTimeout, time);
        (LinkConnection? connection, string? failure) =
            await LinkConnection.ConnectAsync(store, tls, deadline.Token);
        if (connection is null) return ([], failure);
        using (connection)
        await using (deadline.Token.UnsafeRegister(static c => ((LinkConnection)c!).Close(), connection))
        {
            await connection.SendAsync(request);
            return (await connection.ReceiveLineAsync(), null);
        }
    }
}
