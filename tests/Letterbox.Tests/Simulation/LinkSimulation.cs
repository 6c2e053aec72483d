// From the web process to the journal, in a world that is made of one seed.
//
//    1. Senders hand numbered messages to the link, or send them as datagrams, one after the other. Each
//       message keeps its key and is sent again until it is acknowledged.
//    2. The network delays, splits and cuts; datagrams are lost, doubled and overtaken.
//    3. The disk fails, before or behind a commit; the journal is moved away behind one and comes back; the
//       store process is killed before or behind a commit, or at any other time, and started again a while
//       later on what it left.
//       A attacker who knows every key that was ever shown sends messages of his own under them. A sender
//       whose key is taken goes on under the next one, as FormPost does for him.
//    4. After some seconds of that all faults end. Within a minute every sender must be done.
//    5. The rows of the disk are compared with what was acknowledged: there, once, unaltered, nothing else.
//       On the way: order on each connection, and no sender waits longer than the link's patience.
//
// Real are MessageDecoder, FormEncoder, Answer, LinkQueue, GroupCommit and, on one of the two disks,
// JournalWriter, JournalFile and SQLite. Simulated are time, network, disk faults and the loops around the
// sockets; those loops (StoreLink, SocketSession, DatagramServer) have tests of their own over real sockets.

using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Simulation;

/// <summary>A way to break the promise on purpose, to see that it is noticed.</summary>
public enum Sabotage
{
    /// <summary>None.</summary>
    None,

    /// <summary>The store says OK before the commit.</summary>
    AcknowledgeBeforeCommit,

    /// <summary>A sender makes a new key when it sends again.</summary>
    FreshKeyOnResend,

    /// <summary>
    /// The link does not promise a line feed behind each message: half of one is taken for whole.
    /// </summary>
    NoLineFeedPromise,
}

/// <summary>One world; <see cref="Run"/> throws when the promise is broken.</summary>
internal sealed class LinkSimulation : IDisposable
{
    private const int Senders = 6;
    private const int MessagesEach = 6;
    private static readonly TimeSpan s_storm = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan s_calm = TimeSpan.FromMinutes(1);

    private readonly Agenda _agenda;
    private readonly ISimulatedDisk _disk;
    private readonly Sabotage _sabotage;
    private readonly SimulatedLink _link;
    private readonly Ledger _ledger = new();
    private readonly TimeSpan _delayMax;
    private readonly TimeSpan _faultEvery;
    private readonly int _badCommits;
    private SimulatedStore? _store;
    private SimulatedConnection? _connection;
    private int _connections;
    private int _keys;
    private int _working = Senders;

    /// <summary>Makes the world; the seed also picks how rough it is.</summary>
    public LinkSimulation(int seed, ISimulatedDisk disk, Sabotage sabotage = Sabotage.None)
    {
        _agenda = new Agenda(seed);
        (_disk, _sabotage) = (disk, sabotage);
        _delayMax = TimeSpan.FromMilliseconds(_agenda.Random.Next(1, 400));
        _faultEvery = TimeSpan.FromMilliseconds(_agenda.Random.Next(50, 3000));
        _badCommits = _agenda.Random.Next(0, 60);
        _link = new SimulatedLink(_agenda, Connect, sabotage != Sabotage.NoLineFeedPromise);
    }

    /// <summary>What happened, for a person who looks for the cause.</summary>
    public IReadOnlyList<string> History => _agenda.History;

    private bool Stormy => _agenda.Elapsed < s_storm;

    /// <summary>Lets it happen.</summary>
    public void Run()
    {
        StartStore();
        _link.Start();
        for (int sender = 0; sender < Senders; sender++)
        {
            bool byDatagram = sender == 0;
            _agenda.In(_agenda.Within(_faultEvery), () => SendNext(MessagesEach, byDatagram));
        }

        _agenda.In(_agenda.Within(_faultEvery), Strike);
        while (_working > 0)
        {
            bool going = _agenda.Step() && _agenda.Elapsed < s_storm + s_calm;
            Assert.True(going, $"{_working} senders wait for ever");
        }

        Assert.Equal(0, _link.Unanswered);
        Verdict verdict = _ledger.Audit(_disk.Rows);
        Assert.True(verdict == Verdict.Kept, $"the promise is broken: {verdict}");
    }

    /// <inheritdoc/>
    public void Dispose() => _store?.Dispose();

    private void SendNext(int left, bool byDatagram)
    {
        if (left == 0)
        {
            _working--;
            return;
        }

        Message message = _ledger.Next(_agenda.Random, NextKey());
        ShowAttacker(message.Id);
        if (byDatagram) SendDatagram(message, left);
        else Deliver(message, left);
    }

    private void Deliver(Message message, int left) => _link.Deliver(message, receipt =>
    {
        _agenda.Note($"{Name(message)} is answered {receipt.Kind}");
        TimeSpan pause = _agenda.Within(TimeSpan.FromMilliseconds(300));
        if (receipt.IsTaken) _agenda.In(pause, () => Deliver(UnderNextKey(message), left));
        else if (receipt.Kind == ReceiptKind.Later) _agenda.In(pause, () => Deliver(Again(message), left));
        else Thank(message, () => _agenda.In(pause, () => SendNext(left - 1, byDatagram: false)));
    });

    private void SendDatagram(Message message, int left)
    {
        bool done = false;
        Send();

        void Send()
        {
            if (done) return;
            byte[] line = new byte[FormEncoder.BytesMax(message)];
            byte[] datagram = line[..FormEncoder.Write(message, line)];
            Drift(() => _store?.OnDatagram(datagram, answer => Drift(() => OnAnswer(answer))));
            _agenda.In(TimeSpan.FromMilliseconds(500), Send);
        }

        void OnAnswer(string answer)
        {
            if (done) return;
            // An answer to an earlier key may come late.
            bool taken = answer.StartsWith($"NO id {message.Id} ", StringComparison.Ordinal);
            if (taken) message = UnderNextKey(message);
            if (answer != $"OK {message.Id}\n") return;
            done = true;
            Thank(message, () => SendNext(left - 1, byDatagram: true));
        }
    }

    private void Thank(Message message, Action next)
    {
        _ledger.Thank(message);
        next();
    }

    // A datagram arrives late, or twice, or not at all.
    private void Drift(Action arrive)
    {
        int copies = Stormy ? _agenda.Random.Next(3) : 1;
        for (int copy = 0; copy < copies; copy++) _agenda.In(_agenda.Within(2 * _delayMax), arrive);
    }

    private SimulatedConnection? Connect()
    {
        if (_store is null) return null;
        _connection = new SimulatedConnection(_agenda, ++_connections, _delayMax);
        _agenda.Note($"connection {_connections} stands");
        _store.Accept(_connection);
        return _connection;
    }

    private void StartStore()
    {
        _agenda.Note("the store starts");
        var store = new SimulatedStore(_agenda, _disk, _sabotage == Sabotage.AcknowledgeBeforeCommit);
        store.CommitBegan = () => _agenda.In(_agenda.Within(_delayMax), () => Commit(store));
        _store = store;
    }

    private void Commit(SimulatedStore store)
    {
        if (store != _store) return;
        bool bad = Stormy && _agenda.Random.Next(100) < _badCommits;
        CommitFate fate = bad ? (CommitFate)_agenda.Random.Next(1, 6) : CommitFate.Stored;
        _agenda.Note($"a commit: {fate}");
        store.Commit(fate);
        if (fate is CommitFate.KilledBefore or CommitFate.KilledAfter) KillStore(store);
    }

    private void Strike()
    {
        if (!Stormy) return;
        if (_agenda.Random.Next(3) == 0 && _store is { } store)
        {
            KillStore(store);
        }
        else if (_connection is { } connection)
        {
            _agenda.Note($"connection {connection.Number} is cut");
            connection.Cut();
        }

        _agenda.In(_agenda.Within(2 * _faultEvery), Strike);
    }

    private void KillStore(SimulatedStore store)
    {
        _agenda.Note("the store is killed");
        store.Dispose();
        _disk.Kill();
        _connection?.Cut();
        (_store, _connection) = (null, null);
        _agenda.In(_agenda.Within(TimeSpan.FromSeconds(2)), StartStore);
    }

    private Message Again(Message message) => _sabotage == Sabotage.FreshKeyOnResend
        ? Texts.Message(message.Username, message.Text, NextKey())
        : message;

    private Message UnderNextKey(Message message)
    {
        Message next = message.WithId(TextKey.Of(message).Next);
        _ledger.Sent(next);
        ShowAttacker(next.Id);
        return next;
    }

    private void ShowAttacker(MessageKey key)
    {
        if (_agenda.Random.Next(3) > 0) return;
        Message message = _ledger.Next(_agenda.Random, key);
        byte[] line = new byte[FormEncoder.BytesMax(message)];
        byte[] datagram = line[..FormEncoder.Write(message, line)];
        _agenda.In(_agenda.Within(2 * _delayMax), () => Drift(() => _store?.OnDatagram(datagram, OnAnswer)));

        void OnAnswer(string answer)
        {
            _agenda.Note($"a attacker is answered {answer.Split(' ')[0]}");
            if (answer == $"OK {key}\n") _ledger.Thank(message);
        }
    }

    private MessageKey NextKey()
    {
        Span<byte> bytes = stackalloc byte[MessageKey.Size];
        bytes[^1] = (byte)++_keys;
        bytes[^2] = (byte)(_keys >> 8);
        return MessageKey.Read(bytes);
    }

    private static string Name(Message message) => $"message {message.Text.Split(' ')[0]}";
}
