// The limits of the socket server and of the link to it, with their reasons. Message.cs has those of one
// message.

namespace Letterbox.Sockets;

internal sealed record SocketLimits
{
    // Open TCP connections; one more is answered WAIT and closed. About 6 KB each when idle.
    public int ConnectionsMax { get; init; } = 10_000;

    // Messages of one connection without an answer; beyond it, no more is read. Enough for several commits,
    // so that a link never limits the throughput.
    public int InFlightMax { get; init; } = 1_024;

    // Datagrams without an answer; beyond it, the others wait in the socket's buffer, and are lost when that
    // is full. Half a batch of the journal: the other half is for TCP.
    public int DatagramsInFlightMax { get; init; } = 128;

    // After a pause of this length, a form without LF is complete: its sender waits for the answer. Longer
    // than a TCP retransmission on a good network (200 ms and a round trip).
    public TimeSpan QuietTimeout { get; init; } = TimeSpan.FromMilliseconds(250);

    // From the first byte of a message to its last; a slower one is answered NO.
    public TimeSpan MessageTimeout { get; init; } = TimeSpan.FromSeconds(10);

    // A connection without traffic is closed, so that clients that vanished do not add up. A link reconnects
    // automatically. Longer than any usual balancer keeps its idle connections (AWS 350 s, Google 600 s).
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(620);

    // From the connection to the end of its TLS handshake. Long enough to retransmit a lost segment.
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(5);

    // Concurrent TLS handshakes; one more ends the oldest. Even against thousands of new connections a second
    // this leaves a legitimate client a hundred milliseconds.
    public int UnauthenticatedMax { get; init; } = 512;

    // How long a WAIT counts as the status of the store if no message follows.
    public TimeSpan WaitMemory { get; init; } = TimeSpan.FromSeconds(30);

    // Bytes of incomplete messages and unread answers of all connections; beyond it, the connection that has
    // been waited for longest is closed.
    public int MemoryMax { get; init; } = 48 * 1024 * 1024;

    // A client that does not read its answers for this long is disconnected.
    public TimeSpan WriteTimeout { get; init; } = TimeSpan.FromSeconds(10);

    // How long a client may pause while its input is discarded, after the last answer.
    public TimeSpan LingerTimeout { get; init; } = TimeSpan.FromSeconds(1);

    // How long input is discarded at most.
    public TimeSpan LingerMax { get; init; } = TimeSpan.FromSeconds(30);
}

internal sealed record LinkLimits
{
    // How long a message may wait for its answer, however often it is sent again; then its receipt is Later.
    // Long enough for a restart of the store process, short enough for a person to wait.
    public TimeSpan MessageTimeout { get; init; } = TimeSpan.FromSeconds(10);

    // Messages without an answer; the receipt of one more is Later at once.
    public int QueueMax { get; init; } = 4_096;

    // For one attempt to connect.
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(2);

    // Pause before reconnecting; it doubles with each failure.
    public TimeSpan BackOffMin { get; init; } = TimeSpan.FromMilliseconds(50);

    // Longest pause: about how late the return of a store is noticed.
    public TimeSpan BackOffMax { get; init; } = TimeSpan.FromSeconds(1);

    // With several stores: how long the oldest message may be without an answer until the link goes to the
    // next store. Much longer than any disk takes for a commit; two stores in a row can hang before a message
    // reaches its timeout.
    public TimeSpan FailoverTimeout { get; init; } = TimeSpan.FromSeconds(3);

    // How often to check for that and for late messages: a timeout takes effect at most this much late.
    public TimeSpan CheckEvery { get; init; } = TimeSpan.FromSeconds(1);

    // With several stores: after a WAIT the link goes to the next store, at most once round all of them in
    // this time. If all answer WAIT, senders get it at once.
    public TimeSpan RoundEvery { get; init; } = TimeSpan.FromSeconds(5);

    // The stores are asked for their status at most once in this time.
    public TimeSpan ProbeEvery { get; init; } = TimeSpan.FromSeconds(1);

    // For the answer to a probe, including the connection.
    public TimeSpan ProbeTimeout { get; init; } = TimeSpan.FromSeconds(1);

    // How long the end of the link waits for outstanding answers.
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(5);
}
