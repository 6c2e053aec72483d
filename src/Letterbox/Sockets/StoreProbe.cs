// Checks for the web process whether its stores can take messages: a status request to each of them, over a
// separate connection, so that it never waits behind messages.

using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;

namespace Letterbox.Sockets;

/// <summary>Safe on any thread, concurrently.</summary>
internal sealed class StoreProbe(
    IReadOnlyList<Address> stores, MutualTls? tls, LinkLimits limits, TimeProvider time)
{
    private readonly Lock _gate = new();
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

    private async Task<Readiness> AskAllAsync()
    {
        (string? Reason, IReadOnlyList<string> Notes)[] answers = await Task.WhenAll(stores.Select(AskAsync));
        string[] reasons = [.. answers.Select(one => one.Reason).OfType<string>()];
        if (reasons.Length == stores.Count) return new Readiness(reasons, []);
        return new Readiness([], [.. reasons, .. answers.SelectMany(one => one.Notes)]);
    }

    private async Task<(string? Reason, IReadOnlyList<string> Notes)> AskAsync(Address store)
    {
        using var deadline = new CancellationTokenSource(limits.ProbeTimeout, time);
        (LinkConnection? connection, string? failure) =
            await LinkConnection.ConnectAsync(store, tls, deadline.Token);
        if (connection is null) return (failure, []);
        using (connection)
        await using (deadline.Token.UnsafeRegister(static c => ((LinkConnection)c!).Close(), connection))
        {
            await connection.SendAsync(Liveness.StoreRequest);
            byte[] line = await connection.ReceiveLineAsync();
            if (!Answer.TryReadStatus(line, out string? wait, out IReadOnlyList<string> notes))
                return ($"the store at {store} does not answer", []);
            if (wait is not null) return ($"the store at {store} takes no messages: {wait}", []);
            bool alone = stores.Count == 1;
            return (null, alone ? notes : [.. notes.Select(note => $"the store at {store}: {note}")]);
        }
    }
}
