// One life of the store process: the real MessageDecoder, Answer and GroupCommit over a simulated disk, in
// loops like SocketSession's and DatagramServer's.
//
// GroupCommit has a thread of its own. So that one seed gives one history, its commits are held: the world
// decides when one returns and how, and between two steps of the world that thread stands still, either in a
// held commit or with nothing to do.

using System.Text;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Simulation;

/// <summary>A store process that lives until it is killed.</summary>
internal sealed class SimulatedStore : IDisposable
{
    private readonly Agenda _agenda;
    private readonly ISimulatedDisk _disk;
    private readonly bool _lies;
    private readonly GroupCommit _commits;
    private readonly SemaphoreSlim _entered = new(0);
    private readonly SemaphoreSlim _go = new(0);
    private readonly List<(Message Message, Task<Receipt> Receipt)> _accepted = [];
    private readonly List<Session> _sessions = [];
    private readonly List<(Task<Receipt> Receipt, Action<string> Answer)> _datagrams = [];
    private IReadOnlyList<Pending> _held = [];
    private IReadOnlyList<Pending>? _saidToBeStored;
    private CommitFate _fate;
    private bool _killed;

    /// <summary>Starts it.</summary>
    /// <param name="agenda">Its world.</param>
    /// <param name="disk">What earlier lives left.</param>
    /// <param name="lies">Break the promise on purpose: say OK one commit too early.</param>
    public SimulatedStore(Agenda agenda, ISimulatedDisk disk, bool lies)
    {
        (_agenda, _disk, _lies) = (agenda, disk, lies);
        _commits = new GroupCommit(Hold, static () => { }, static () => { }, new RecordingLog());
    }

    /// <summary>Told when a commit is held: the world must let it go on.</summary>
    public Action CommitBegan { get; set; } = static () => { };

    /// <summary>Serves a connection.</summary>
    public void Accept(SimulatedConnection connection)
    {
        var session = new Session(_agenda, connection, Append);
        _sessions.Add(session);
        connection.ToStore.Arrived = bytes => OnBytes(session, bytes, Ending.Open);
        connection.ToStore.Ended = () => OnBytes(session, [], Ending.Ended);
    }

    /// <summary>A datagram has arrived; <paramref name="answer"/> sends one back.</summary>
    public void OnDatagram(byte[] datagram, Action<string> answer)
    {
        if (_killed) return;
        Decoded decoded = MessageDecoder.DecodeDatagram(datagram, _agenda.Time);
        Assert.Equal(DecodeStatus.Complete, decoded.Status);
        _datagrams.Add((Append(decoded.Message!), answer));
        SendAnswers();
    }

    /// <summary>Lets the held commit return, and answers go out. Killed: nothing goes out any more.</summary>
    public void Commit(CommitFate fate)
    {
        _killed = fate is CommitFate.KilledBefore or CommitFate.KilledAfter;
        _fate = fate;
        Task<Receipt>[] batch = [.. _accepted[.._held.Count].Select(static entry => entry.Receipt)];
        _accepted.RemoveRange(0, batch.Length);
        _go.Release();
        Task.WaitAll(batch);
        if (_killed) return;
        if (_accepted.Count > 0) AwaitHold();
        SendAnswers();
    }

    /// <summary>Ends the thread; what was queued is not stored.</summary>
    public void Dispose()
    {
        if (!_killed && _accepted.Count > 0) Commit(CommitFate.KilledBefore);
        _killed = true;
        _commits.DisposeAsync().AsTask().Wait();
        _entered.Dispose();
        _go.Dispose();
    }

    private void OnBytes(Session session, byte[] bytes, Ending ending)
    {
        if (_killed) return;
        session.Read(bytes, ending);
        SendAnswers();
    }

    private Task<Receipt> Append(Message message)
    {
        Task<Receipt> receipt = _commits.AddAsync(message, _agenda.Time.GetLocalNow()).AsTask();
        _accepted.Add((message, receipt));
        if (_accepted.Count == 1) AwaitHold();
        return receipt;
    }

    private void AwaitHold()
    {
        _entered.Wait();
        IEnumerable<Message> first = _accepted[.._held.Count].Select(static entry => entry.Message);
        Assert.Equal(first, _held.Select(static pending => pending.Message));
        CommitBegan();
    }

    private void SendAnswers()
    {
        foreach (Session session in _sessions) session.SendAnswers();
        foreach ((Task<Receipt> receipt, Action<string> answer) in _datagrams.ToArray())
            if (receipt.IsCompleted) answer(Session.Line(receipt.Result));
        _datagrams.RemoveAll(static due => due.Receipt.IsCompleted);
    }

    // On the writer's thread.
    private Result Hold(IReadOnlyList<Pending> batch)
    {
        if (_killed) return Result.Failed("killed");
        _held = batch;
        _entered.Release();
        _go.Wait();
        if (_fate == CommitFate.KilledBefore) return Result.Failed("killed");
        if (_lies && _fate is CommitFate.Stored or CommitFate.KilledAfter) return AnswerOnly(batch);
        Result result = _disk.Commit(batch, _fate == CommitFate.Failed, _fate == CommitFate.Gone);
        return _fate == CommitFate.Stored || !result.Succeeded ? result : Result.Failed("the disk failed");
    }

    private Result AnswerOnly(IReadOnlyList<Pending> batch)
    {
        if (_saidToBeStored is { } before) _disk.Commit(before, fails: false);
        _saidToBeStored = [.. batch];
        foreach (Pending pending in batch) pending.Receipt = Receipt.Stored(pending.Message.Id);
        return Result.Success;
    }

    /// <summary>One connection, seen from the store.</summary>
    private sealed class Session(
        Agenda agenda, SimulatedConnection connection, Func<Message, Task<Receipt>> append)
    {
        private readonly MessageDecoder _decoder = new(agenda.Time);
        private readonly Queue<Task<Receipt>> _due = new();
        private readonly List<byte> _unread = [];
        private int _read;

        public static string Line(Receipt receipt)
        {
            Span<byte> line = stackalloc byte[Answer.BytesMax];
            return Encoding.ASCII.GetString(line[..Answer.Write(receipt, line)]);
        }

        public void Read(byte[] bytes, Ending ending)
        {
            _unread.AddRange(bytes);
            while (true)
            {
                Decoded decoded = _decoder.Decode(_unread.ToArray(), ending);
                _unread.RemoveRange(0, decoded.Consumed);
                if (decoded.Status == DecodeStatus.NeedMore) return;
                if (decoded.Status == DecodeStatus.Complete) _due.Enqueue(Take(decoded.Message!));
                else Assert.Equal(Ending.Ended, ending);
            }
        }

        public void SendAnswers()
        {
            while (_due.TryPeek(out Task<Receipt>? next) && next.IsCompleted)
                connection.ToLink.Send(Encoding.ASCII.GetBytes(Line(_due.Dequeue().Result)));
        }

        // What comes out of the decoder is what the link has put in, in that order.
        private Task<Receipt> Take(Message message)
        {
            Message sent = connection.Sent[_read++];
            Assert.True(
                (sent.Id, sent.Username, sent.Text) == (message.Id, message.Username, message.Text),
                $"connection {connection.Number} brought another message than was sent: {message.Text}");
            return append(message);
        }
    }
}
