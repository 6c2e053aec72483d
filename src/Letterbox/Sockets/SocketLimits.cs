// Every bound of the socket server and of the link to it, with its reason.

using Letterbox.Messages;

namespace Letterbox.Sockets;

/// <summary>The bounds of the socket server. Bounds on one message are in <see cref="Message"/>.</summary>
internal sealed record SocketLimits
{
    /// <summary>
    /// TCP connections open at once; one more is answered <c>WAIT</c> and closed. About 6 KB each when idle.
    /// </summary>
    public int ConnectionsMax { get; init; } = 10_000;

    /// <summary>
    /// Messages of one connection that have been read and not yet answered; beyond, no more is read from it.
    /// Several commits' worth, so that a link is never the one to wait.
    /// </summary>
    public int InFlightMax { get; init; } = 1_024;

    /// <summary>
    /// Datagrams that have been read and not yet answered; beyond, the others wait in the socket's buffer,
    /// and what it cannot hold is lost. Half a batch of the journal: the other half is TCP's.
    /// </summary>
    public int DatagramsInFlightMax { get; init; } = 128;

    /// <summary>
    /// Without a byte for this long, a form that has no line feed yet is taken as it is: its sender waits for
    /// the answer. Longer than TCP needs to send a lost segment again on a good network (200 ms and a round
    /// trip).
    /// </summary>
    public TimeSpan QuietTimeout { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// From the first byte of a message to its last; one that takes longer is answered <c>NO</c>.
    /// </summary>
    public TimeSpan MessageTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// A connection without traffic is closed after this, so that clients that vanished without a word do not
    /// add up. A link that is closed so connects again by itself.
    /// </summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// From the connection to the end of its TLS handshake; a client that takes longer is closed. Long
    /// enough for a lost segment to be sent again.
    /// </summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Connections at once whose TLS handshake is not done; one more ends the oldest of them. Against
    /// thousands of new connections a second an honest client still has a hundred milliseconds.
    /// </summary>
    public int UnauthenticatedMax { get; init; } = 512;

    /// <summary>
    /// How long a message that had to wait counts against the store when none comes after it.
    /// </summary>
    public TimeSpan WaitMemory { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Bytes that parts of messages and answers that are not taken hold, of all connections together; beyond,
    /// the one that is waited for longest is closed.
    /// </summary>
    public int MemoryMax { get; init; } = 64 * 1024 * 1024;

    /// <summary>A client that does not take its answers for this long is dropped.</summary>
    public TimeSpan WriteTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// After the last answer, how long to go on reading and discarding. To close while bytes of the client
    /// are unread makes TCP send a reset, and a reset can overtake the answer.
    /// </summary>
    public TimeSpan LingerTimeout { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>The bounds of the web process's link to the socket server.</summary>
internal sealed record LinkLimits
{
    /// <summary>
    /// How long a message may wait for its answer, sent again as often as it takes; then the sender hears
    /// <c>Later</c>. Long enough for a restart of the store process, short enough for a person to wait.
    /// </summary>
    public TimeSpan MessageTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Messages waiting for their answer; one more hears <c>Later</c> at once rather than hang.
    /// </summary>
    public int QueueMax { get; init; } = 4_096;

    /// <summary>How long one attempt to connect may take.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Pause before connecting again; it doubles with each failure.</summary>
    public TimeSpan BackOffMin { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Longest pause between two attempts: about how late a returning store is noticed.</summary>
    public TimeSpan BackOffMax { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// With another store to go to: how long the oldest message may be without an answer until the link goes
    /// there. Much longer than any disk takes for a commit; two stores in a row can hang before a message has
    /// reached its timeout.
    /// </summary>
    public TimeSpan FailoverTimeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>With another store to go to: how often to look for that, while messages wait.</summary>
    public TimeSpan CheckEvery { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// With another store to go to: a store that tells messages to wait is left for the next, once round all
    /// of them in this time. When all of them do, senders are answered at once.
    /// </summary>
    public TimeSpan RoundEvery { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// The stores are asked how they are at most once in this time, however many want to know.
    /// </summary>
    public TimeSpan ProbeEvery { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a store may take to answer a probe, connecting included.</summary>
    public TimeSpan ProbeTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long the end of the link waits for the answers that are still due.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(5);
}
