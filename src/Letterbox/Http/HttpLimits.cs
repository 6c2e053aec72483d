// Every bound of the engine, in one place, each with its reason and with what happens when it is hit.

namespace Letterbox.Http;

/// <summary>Bounds of size, number and time. Immutable; sizes are bytes.</summary>
public sealed record HttpLimits
{
    /// <summary>Request line without its CRLF; beyond: 414. RFC 9112 3: at least 8,000.</summary>
    public int RequestLineMax { get; init; } = 8 * 1024;

    /// <summary>One field line without its CRLF; beyond: 431. Twice the largest cookie (4 KiB).</summary>
    public int FieldLineMax { get; init; } = 8 * 1024;

    /// <summary>Field lines in a head; beyond: 431. Apache and Kestrel: 100.</summary>
    public int FieldsMax { get; init; } = 100;

    /// <summary>Request line and field lines together; beyond: 431. Kestrel and nginx: 32 KiB.</summary>
    public int HeadMax { get; init; } = 32 * 1024;

    /// <summary>Content of a request, decoded; beyond: 413. More than any legal form needs.</summary>
    public int ContentMax { get; init; } = 64 * 1024;

    /// <summary>One chunk-size line with its extensions, or one trailer line; beyond: 400.</summary>
    public int ChunkLineMax { get; init; } = 256;

    /// <summary>Extensions and trailers of one message together, which nobody reads; beyond: 400.</summary>
    public int ChunkExtrasMax { get; init; } = 8 * 1024;

    /// <summary>From the first byte of a head to its last; beyond: 408. What Slowloris stretches.</summary>
    public TimeSpan HeadTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A connection without a request in hand; beyond: closed without a word. nginx: 75 s.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>What content gets beside <see cref="ContentBytesPerSecondMin"/>; beyond: 408.</summary>
    public TimeSpan ContentStartTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Slowest content that is waited for, on average. Kestrel: 240 after 5 seconds.</summary>
    public int ContentBytesPerSecondMin { get; init; } = 240;

    /// <summary>For the client to take <see cref="SendSliceMax"/> bytes off us; beyond: closed.</summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>What goes under one <see cref="SendTimeout"/> when the kernel does not take all.</summary>
    public int SendSliceMax { get; init; } = 64 * 1024;

    /// <summary>How long a refused client is listened to, so that it reads the answer. nginx: 5 s.</summary>
    public TimeSpan LingerTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How much a refused client is listened to.</summary>
    public int LingerBytesMax { get; init; } = 1024 * 1024;

    /// <summary>
    /// What all clients that are waited for make us hold; beyond: 503 for the one that is waited for longest.
    /// </summary>
    public int MemoryMax { get; init; } = 64 * 1024 * 1024;

    /// <summary>How often deadlines are looked at: a deadline strikes at most this much late.</summary>
    public TimeSpan SweepInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Most bytes of one request in memory: head, content, one line in the making.</summary>
    public int RequestBytesMax => HeadMax + ContentMax + ChunkLineMax + 4;

    /// <summary>These limits, after a check that they fit together.</summary>
    /// <exception cref="InvalidOperationException">They do not.</exception>
    public HttpLimits Checked() =>
        RequestLineMax >= 8000 && RequestLineMax <= HeadMax && FieldLineMax <= HeadMax
        && HeadMax <= ushort.MaxValue && ContentMax >= 0 && ChunkLineMax >= 32
            ? this
            : throw new InvalidOperationException("the HTTP limits contradict each other");
}
