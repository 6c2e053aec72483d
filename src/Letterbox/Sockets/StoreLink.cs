// The web process's side of the socket protocol: one pipelined connection, which is made again whenever it
// breaks; with several stores, to the next one.
//
//    DeliverAsync ──▶ LinkQueue ──▶ WriteAsync: all that waits, in one send ──▶ socket
//                     LinkQueue ◀── ReadAsync: answers, in order ◀───────────── socket
//
// When a connection breaks it is unknown what the store received. All messages without an answer are sent
// again under the same key, and the store ignores duplicates; with another store, MongoDB does. A store that
// takes bytes and does not answer is detected by the deadline: then the connection is closed, so that later
// messages get a new one.

using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Letterbox.Sockets;

/// <summary>Delivers messages to the socket server. Safe on any thread, many calls at once.</summary>
internal sealed class StoreLink : IAsyncDisposable
{
    // At most this much in one send; the longest message fits.
    private const int BatchBytesMax = 256 * 1024;
    private const int AnswersSize = 16 * 1024;

    private readonly IReadOnlyList<Address> _stores;
    private readonly MutualTls? _tls;

    // Of the last attempt at each store, so that it is logged once.
    private readonly string?[] _lastFailures;
    private bool _hasNews;
    private readonly LinkLimits _limits;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly LinkQueue _queue;
    private readonly ITimer _sweep;
    private Task _running = Task.CompletedTask;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _emptied = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile LinkConnection? _connection;
    private volatile string? _failure = "not connected yet";
    private bool _answered;
    private int _closing;

    // Set when there is work for the writing loop, or the connection is broken. An extra signal is harmless.
    private readonly LoopSignal _work = new();

    // Messages wait until Start. It uses one store until that fails, then the next.
    public StoreLink(
        IReadOnlyList<Address> stores, LinkLimits limits, TimeProvider time, ILogger log,
        MutualTls? tls = null)
    {
        (_stores, _limits, _time, _log, _tls) = (stores, limits, time, log, tls);
        _lastFailures = new string?[stores.Count];
        _queue = new LinkQueue(limits, stores.Count, time);
        _sweep = time.CreateTimer(
            static self => ((StoreLink)self!).Sweep(), this, limits.CheckEvery, limits.CheckEvery);
    }

    // Connects, and reconnects until it is disposed. Called once.
    public void Start() => _running = Background.Run("the link to the store", RunAsync);

    // A store that hangs is noticed only when a message is late.
    internal bool Connected => _connection is not null;

    // Null while connected.
    internal string? Failure => _failure;

    // Sends one message over a separate connection. The receipt is Later if no store answers in time.
    public static async Task<Receipt> SendOnceAsync(
        IReadOnlyList<Address> stores, Message message, TimeSpan timeout, MutualTls? tls = null)
    {
        var limits = new LinkLimits { MessageTimeout = timeout };
        await using var link =
            new StoreLink(stores, limits, TimeProvider.System, NullLogger.Instance, tls);
        link.Start();
        return await link.DeliverAsync(message);
    }

    // As the delegate Deliver defines. Later: after MessageTimeout, or at once if too many messages wait.
    public ValueTask<Receipt> DeliverAsync(Message message)
    {
        var delivery = new Delivery(message, _time.GetTimestamp());
        Result added = _queue.Add(delivery, out bool wakeWriter);
        if (!added.Succeeded) return new ValueTask<Receipt>(Receipt.Later(added.Failure));
        if (wakeWriter) _work.Signal();
        return new ValueTask<Receipt>(delivery.Task);
    }

    // Takes no more messages, waits for outstanding answers within DrainTimeout, closes.
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _closing, 1) == 1) return;
        _queue.Close();
        NotifyIfEmptied();
        await Task.WhenAny(_emptied.Task, Task.Delay(_limits.DrainTimeout, _time));
        await _stopping.CancelAsync();
        await _running;
        await _sweep.DisposeAsync();
        foreach (Delivery delivery in _queue.Clear())
            delivery.Fail("the server stopped before the store answered");
        _stopping.Dispose();
        _work.Dispose();
    }

    private async Task RunAsync()
    {
        TimeSpan pause = _limits.BackOffMin;
        for (int attempt = 0; !_stopping.IsCancellationRequested; attempt++)
        {
            int at = attempt % _stores.Count;
            LinkConnection? connection = await ConnectAsync(at);
            if (connection is not null && await ServeAsync(connection)) pause = _limits.BackOffMin;
            // Once per round, so that stores that close new connections do not cause a busy loop.
            if (at < _stores.Count - 1) continue;
            await Task.Delay(pause, _time, _stopping.Token)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = 2 * pause < _limits.BackOffMax ? 2 * pause : _limits.BackOffMax;
        }
    }

    private async Task<LinkConnection?> ConnectAsync(int at)
    {
        Address store = _stores[at];
        using var deadline = new CancellationTokenSource(_limits.ConnectTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, _stopping.Token);
        LinkConnection? connection = null;
        string? failure;
        try
        {
            (connection, failure) = await LinkConnection.ConnectAsync(store, _tls, either.Token);
        }
        catch (Exception e)
        {
            // A bug must not end more than this attempt.
            _log.LogError(e, "the link to the store failed unexpectedly");
            failure = "the link failed unexpectedly";
        }

        bool changed = !string.Equals(_lastFailures[at], failure, StringComparison.Ordinal);
        (_connection, _failure, _lastFailures[at]) = (connection, failure, failure);
        if (connection is not null)
        {
            // At the start it is not news.
            _log.Log(
                _hasNews ? LogLevel.Information : LogLevel.Debug,
                "connected to the store at {Store}", store);
        }
        else if (changed && !_stopping.IsCancellationRequested)
            _log.LogWarning("{Failure}, retrying", failure);
        _hasNews = true;
        return connection;
    }

    // Whether any answer came.
    private async Task<bool> ServeAsync(LinkConnection connection)
    {
        _answered = false;
        await using CancellationTokenRegistration stopping = _stopping.Token.UnsafeRegister(
            static connection => ((LinkConnection)connection!).Close(), connection);
        _queue.Connect();
        try
        {
            await Task.WhenAll(WriteAsync(connection), ReadAsync(connection));
        }
        catch (Exception e)
        {
            // A bug must not end more than this connection; the next one sends the messages again.
            _log.LogError(e, "the link to the store failed unexpectedly");
        }
        finally
        {
            connection.Dispose();
        }

        return _answered;
    }

    private async Task WriteAsync(LinkConnection connection)
    {
        try
        {
            byte[] bytes = GC.AllocateUninitializedArray<byte>(BatchBytesMax);
            var batch = new List<Message>();
            while (_queue.Take(batch, BatchBytesMax))
            {
                if (batch.Count == 0)
                {
                    await _work.WaitAsync();
                    continue;
                }

                int length = 0;
                foreach (Message message in batch) length += FormEncoder.Write(message, bytes.AsSpan(length));
                if (!await connection.SendAsync(bytes.AsMemory(0, length))) return;
            }
        }
        finally
        {
            Break(connection, "the connection to the store was lost");
        }
    }

    private async Task ReadAsync(LinkConnection connection)
    {
        string? failure = null;
        try
        {
            byte[] bytes = new byte[AnswersSize];
            var answered = new List<(Delivery Delivery, Receipt Receipt)>();
            int length = 0;
            while (failure is null)
            {
                int count = await connection.ReceiveAsync(bytes.AsMemory(length));
                if (count == 0) return;
                length += count;
                failure = _queue.TakeAnswers(bytes.AsSpan(0, length), answered, out int consumed).Failure;
                _answered |= answered.Count > 0;
                length -= consumed;
                bytes.AsSpan(consumed, length).CopyTo(bytes);
                if (length >= Answer.BytesMax) failure ??= "the store sent an answer that is too long";
                foreach ((Delivery delivery, Receipt receipt) in answered) delivery.TrySetResult(receipt);
                NotifyIfEmptied();
            }
        }
        finally
        {
            Break(connection, failure ?? "the store closed the connection");
        }
    }

    private void Break(LinkConnection connection, string failure)
    {
        int unanswered = _queue.Count;
        if (_queue.Break()) Close(connection, failure, unanswered);
    }

    private void Close(LinkConnection connection, string failure, int unanswered)
    {
        (_connection, _failure) = (null, failure);
        connection.Close();
        _work.Signal();
        if (_stopping.IsCancellationRequested) return;
        // The store closes a link that was idle for a long time: no warning.
        LogLevel level = unanswered > 0 ? LogLevel.Warning : LogLevel.Information;
        _log.Log(
            level, "{Failure}, reconnecting; {Unanswered} messages had no answer", failure, unanswered);
    }

    private void Sweep()
    {
        var late = new List<Delivery>();
        bool hangs = _queue.Expire(late);
        TimeSpan limit = hangs && late.Count == 0 ? _limits.FailoverTimeout : _limits.MessageTimeout;
        string reason = $"no answer from the store within {limit.TotalSeconds} s";
        if (hangs && _connection is { } connection) Close(connection, reason, late.Count + _queue.Count);
        else if (_failure is { } failure) reason = $"{reason}: {failure}";
        foreach (Delivery delivery in late) delivery.Fail(reason);
        NotifyIfEmptied();
    }

    private void NotifyIfEmptied()
    {
        if (Volatile.Read(ref _closing) == 1 && _queue.Count == 0) _emptied.TrySetResult();
    }
}
