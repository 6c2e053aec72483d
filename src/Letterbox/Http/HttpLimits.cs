// Every bound of the engine, each with its reason and what happens beyond it.

namespace Letterbox.Http;

/// <summary>Bounds of size, number and time. Immutable; sizes are bytes.</summary>
internal sealed record HttpLimits
{
    /// <summary>Request line without its CRLF; beyond: 414. RFC 9112 3: at least 8,000.</summary>
    public int RequestLineMax { get; init; } = 8 * 1024;

    /// <summary>One field line without its CRLF; beyond: 431. Twice the largest cookie (4 KiB).</summary>
    public int FieldLineMax { get; init; } = 8 * 1024;

    /// <summary>Field lines in a head; beyond: 431. Apache and Kestrel: 100.</summary>
    public int FieldsMax { get; init; } = 100;

    /// <summary>Request line and field lines together; beyond: 431. Kestrel and nginx: 32 KiB.</summary>
    public int HeadMax { get; init; } = 32 * 1024;

    /// <summary>Content of a request, decoded; beyond: 413. More than any valid form needs.</summary>
    public int ContentMax { get; init; } = 64 * 1024;

    /// <summary>One chunk-size line with its extensions, or one trailer line; beyond: 400.</summary>
    public int ChunkLineMax { get; init; } = 256;

    /// <summary>Extensions and trailers of one message together, which are ignored; beyond: 400.</summary>
    public int ChunkExtrasMax { get; init; } = 8 * 1024;

    /// <summary>From the first byte of a head to its last; beyond: 408. Against Slowloris.</summary>
    public TimeSpan HeadTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A connection without a request; beyond: closed silently. nginx: 75 s.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Added to the time that <see cref="ContentBytesPerSecondMin"/> allows; beyond: 408.</summary>
    public TimeSpan ContentStartTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Minimum average rate of content. Kestrel: 240 after 5 seconds.</summary>
    public int ContentBytesPerSecondMin { get; init; } = 240;

    /// <summary>For the client to take <see cref="SendSliceMax"/> bytes; beyond: closed.</summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Sent under one <see cref="SendTimeout"/> when the kernel does not take everything.</summary>
    public int SendSliceMax { get; init; } = 64 * 1024;

    /// <summary>How long input of a rejected client is read and discarded. nginx: 5 s.</summary>
    public TimeSpan LingerTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How much input of a rejected client is read and discarded.</summary>
    public int LingerBytesMax { get; init; } = 1024 * 1024;

    /// <summary>Memory held for all waiting clients; beyond: 503 for the one waiting longest.</summary>
    public int MemoryMax { get; init; } = 64 * 1024 * 1024;

    /// <summary>How often deadlines are checked: a timeout takes effect at most this much late.</summary>
    public TimeSpan SweepInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Most bytes of one request in memory: head, content, one incomplete line.</summary>
    public int RequestBytesMax => HeadMax + ContentMax + ChunkLineMax + 4;

    /// <exception cref="InvalidOperationException">The limits contradict each other.</exception>
    public HttpLimits Checked() =>
        RequestLineMax >= 8000 && RequestLineMax <= HeadMax && FieldLineMax <= HeadMax
        && HeadMax <= ushort.MaxValue && ContentMax >= 0 && ChunkLineMax >= 32
            ? this
            : throw new InvalidOperationException("the HTTP limits contradict each other");
}
