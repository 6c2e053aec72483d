// The web process's end of the link: the real LinkQueue, FormEncoder and answers, in loops like StoreLink's
// over a simulated connection.

using System.Diagnostics;
using Letterbox.Messages;
using Letterbox.Sockets;

namespace Letterbox.Tests.Simulation;

/// <summary>Delivers messages, connects again for ever.</summary>
/// <param name="agenda">Its world.</param>
/// <param name="connect">A fresh connection, or null when the store is down.</param>
/// <param name="promiseLineFeeds">False leaves out what makes half a message known as such.</param>
internal sealed class SimulatedLink(Agenda agenda, Func<SimulatedConnection?> connect, bool promiseLineFeeds)
{
    private static readonly LinkLimits s_limits = new() { QueueMax = 24 };
    private static readonly TimeSpan s_timeout = s_limits.MessageTimeout;
    private static readonly TimeSpan s_backOff = TimeSpan.FromMilliseconds(200);

    private readonly LinkQueue _queue = new(s_limits, stores: 1, agenda.Time);
    private readonly Dictionary<Delivery, Action<Receipt>> _answers = [];
    private readonly List<byte> _unread = [];
    private readonly List<Message> _handedOver = [];
    private SimulatedConnection? _connection;

    /// <summary>Messages without an answer.</summary>
    public int Unanswered => _queue.Count;

    /// <summary>Begins to connect.</summary>
    public void Start() => agenda.In(agenda.Within(s_backOff), Connect);

    /// <summary>
    /// Delivers a message; <paramref name="answer"/> is called once, within the link's patience.
    /// </summary>
    public void Deliver(Message message, Action<Receipt> answer)
    {
        var delivery = new Delivery(message, agenda.Time.GetTimestamp());
        if (_queue.Add(delivery, out bool wakeWriter).Failure is { } rejection)
        {
            agenda.In(TimeSpan.Zero, () => answer(Receipt.Later(rejection)));
            return;
        }

        _answers.Add(delivery, answer);
        _handedOver.Add(message);
        if (wakeWriter) Write();
        agenda.In(s_timeout, Sweep);
    }

    private void Connect()
    {
        if (connect() is not { } connection)
        {
            agenda.In(s_backOff, Connect);
            return;
        }

        _connection = connection;
        _unread.Clear();
        connection.ToLink.Arrived = bytes => Read(connection, bytes);
        connection.ToLink.Ended = () => Break(connection);
        if (promiseLineFeeds) connection.ToStore.Send("\n"u8);
        _queue.Connect();
        Write();
    }

    private void Write()
    {
        var batch = new List<Message>();
        while (_queue.Take(batch, bytesMax: 64 * 1024) && batch.Count > 0)
        {
            Debug.Assert(_connection is not null);
            foreach (Message message in batch)
            {
                AssertInOrder(message);
                byte[] line = new byte[FormEncoder.BytesMax(message)];
                _connection.Sent.Add(message);
                _connection.ToStore.Send(line.AsSpan(0, FormEncoder.Write(message, line)));
            }
        }
    }

    // On one connection messages go in the order in which they were handed over, none twice.
    private void AssertInOrder(Message message)
    {
        if (_connection!.Sent is not [.., var before]) return;
        int earlier = _handedOver.FindIndex(m => ReferenceEquals(m, before));
        int later = _handedOver.FindLastIndex(m => ReferenceEquals(m, message));
        Assert.True(earlier < later, "the link changed the order of messages");
    }

    private void Read(SimulatedConnection connection, byte[] bytes)
    {
        if (connection != _connection) return;
        _unread.AddRange(bytes);
        var answered = new List<(Delivery Delivery, Receipt Receipt)>();
        string? failure = _queue.TakeAnswers(_unread.ToArray(), answered, out int consumed).Failure;
        _unread.RemoveRange(0, consumed);
        foreach ((Delivery delivery, Receipt receipt) in answered) Describe(delivery, receipt);
        Assert.True(failure is null, $"the link does not understand the store: {failure}");
    }

    private void Break(SimulatedConnection connection)
    {
        if (connection != _connection || !_queue.Break()) return;
        Close(connection);
    }

    private void Close(SimulatedConnection connection)
    {
        _connection = null;
        connection.Cut();
        agenda.In(agenda.Within(s_backOff), Connect);
    }

    private void Sweep()
    {
        var late = new List<Delivery>();
        bool hangs = _queue.Expire(late);
        if (hangs && _connection is { } connection) Close(connection);
        foreach (Delivery delivery in late) Describe(delivery, Receipt.Later("no answer in time"));
    }

    private void Describe(Delivery delivery, Receipt receipt)
    {
        TimeSpan waited = agenda.Time.GetElapsedTime(delivery.Since);
        Assert.True(waited <= s_timeout, $"a sender waited for {waited}");
        Assert.True(_answers.Remove(delivery, out Action<Receipt>? answer), "a message was answered twice");
        answer(receipt);
    }
}
