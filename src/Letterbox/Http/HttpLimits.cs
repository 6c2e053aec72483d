// Every bound of the engine, each with its reason and what happens beyond it.

namespace Letterbox.Http;

// Bounds of size, number and time. Immutable; sizes are bytes.
internal sealed record HttpLimits
{
    // Request line without its CRLF; beyond: 414. RFC 9112 3: at least 8,000.
    public int RequestLineMax { get; init; } = 8 * 1024;
    // One field line without its CRLF; beyond: 431. Twice the largest cookie (4 KiB).
    public int FieldLineMax { get; init; } = 8 * 1024;
    // Field lines in a head; beyond: 431. Apache and Kestrel: 100.
    public int FieldsMax { get; init; } = 100;
    // Request line and field lines together, at most 65,535; beyond: 431. Kestrel and nginx: 32 KiB.
    public int HeadMax { get; init; } = 32 * 1024;
    // Content of a request, decoded; beyond: 413. More than any valid form needs.
    public int ContentMax { get; init; } = 64 * 1024;
    // One chunk-size line with its extensions, or one trailer line; beyond: 400.
    public int ChunkLineMax { get; init; } = 256;
    // Extensions and trailers of one message together, which are ignored; beyond: 400.
    public int ChunkExtrasMax { get; init; } = 8 * 1024;
    // From the first byte of a head to its last; beyond: 408. Against Slowloris.
    public TimeSpan HeadTimeout { get; init; } = TimeSpan.FromSeconds(10);
    // A connection without a request; beyond: closed silently. Longer than any usual balancer keeps its idle
    // connections (AWS 60 s, Azure 240 s, Google 600 s): the balancer has to close first, or it sends a
    // request to a connection that was just closed, and answers 502. When there are too many connections, the
    // one that has been idle for longest is closed.
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(620);
    // Added to the time that ContentBytesPerSecondMin allows; beyond: 408.
    public TimeSpan ContentStartTimeout { get; init; } = TimeSpan.FromSeconds(5);
    // Minimum average rate of content. Kestrel: 240 after 5 seconds.
    public int ContentBytesPerSecondMin { get; init; } = 240;
    // For the client to take SendSliceMax bytes; beyond: closed.
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(20);
    // Sent under one SendTimeout when the kernel does not take everything.
    public int SendSliceMax { get; init; } = 64 * 1024;
    // How long a rejected client may pause while its input is read and discarded. nginx: 5 s.
    public TimeSpan LingerTimeout { get; init; } = TimeSpan.FromSeconds(5);
    // How long that takes at most. nginx: 30 s.
    public TimeSpan LingerMax { get; init; } = TimeSpan.FromSeconds(30);
    // The same while the server stops, which must not take longer than a supervisor waits.
    public TimeSpan LingerMaxAtStop { get; init; } = TimeSpan.FromSeconds(2);
    // Memory held for all waiting clients; beyond: 503 for the one waiting longest.
    public int MemoryMax { get; init; } = 48 * 1024 * 1024;
    // How often deadlines are checked: a timeout takes effect at most this much late.
    public TimeSpan SweepInterval { get; init; } = TimeSpan.FromSeconds(1);

    // Most bytes of one request in memory: head, content, one incomplete line.
    public int RequestBytesMax => HeadMax + ContentMax + ChunkLineMax + 4;
}
