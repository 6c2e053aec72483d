// The key of a message: a 12-byte ObjectId, made once at the first hop and kept all the way to MongoDB's
// `_id`.
//
//    0        4                              12
//    +--------+-------------------------------+
//    | seconds| random                        |     big-endian; 24 lower-case hex digits in text
//    +--------+-------------------------------+
//
// The seconds keep keys in order of time, as MongoDB's ObjectIds are. The rest comes from the system's random
// generator, so that keys already seen do not reveal the next one: a key that is taken before
// its message arrives would block that message. Sending a message again under the same key is
// harmless.

using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Letterbox.Messages;

/// <summary>
/// The idempotency key of a message; equal keys mean the same message. Immutable, safe on any thread.
/// </summary>
public readonly record struct MessageKey : IComparable<MessageKey>
{
    /// <summary>Length of the binary form in bytes.</summary>
    public const int Size = 12;

    /// <summary>Length of the text form in hex digits.</summary>
    public const int HexLength = 2 * Size;

    // Random bytes are got in blocks, for 64 keys: a call of the generator costs more than the rest of a key.
    private const int RandomBlock = 64 * sizeof(ulong);

    [ThreadStatic]
    private static byte[]? t_random;

    [ThreadStatic]
    private static int t_unused;

    private readonly uint _seconds;
    private readonly ulong _rest;

    private MessageKey(uint seconds, ulong rest) => (_seconds, _rest) = (seconds, rest);

    /// <summary>A new, unpredictable and unique key.</summary>
    public static MessageKey New(TimeProvider time) =>
        new((uint)time.GetUtcNow().ToUnixTimeSeconds(), NextRandom());

    /// <summary>Another key of the same second.</summary>
    public MessageKey WithRandom(ulong random) => new(_seconds, random);

    /// <summary>Reads 24 hex digits of either case; anything else is not a key.</summary>
    public static bool TryParse(ReadOnlySpan<byte> hex, out MessageKey id)
    {
        id = default;
        if (hex.Length != HexLength) return false;
        Span<byte> bytes = stackalloc byte[Size];
        if (Convert.FromHexString(hex, bytes, out _, out _) != OperationStatus.Done) return false;
        id = Read(bytes);
        return true;
    }

    /// <inheritdoc cref="TryParse(ReadOnlySpan{byte}, out MessageKey)"/>
    public static bool TryParse(ReadOnlySpan<char> hex, out MessageKey id)
    {
        Span<byte> ascii = stackalloc byte[HexLength];
        id = default;
        return Ascii.FromUtf16(hex, ascii, out int length) == OperationStatus.Done
            && TryParse(ascii[..length], out id);
    }

    /// <summary>
    /// Reads the binary form; <paramref name="bytes"/> holds at least <see cref="Size"/> bytes.
    /// </summary>
    public static MessageKey Read(ReadOnlySpan<byte> bytes) =>
        new(BinaryPrimitives.ReadUInt32BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[4..]));

    /// <summary>
    /// Writes the binary form; <paramref name="bytes"/> holds at least <see cref="Size"/> bytes.
    /// </summary>
    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt32BigEndian(bytes, _seconds);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[4..], _rest);
    }

    /// <summary>
    /// Writes the text form as ASCII; <paramref name="hex"/> holds at least <see cref="HexLength"/> bytes.
    /// </summary>
    public void WriteHex(Span<byte> hex)
    {
        Span<byte> bytes = stackalloc byte[Size];
        Write(bytes);
        Convert.TryToHexStringLower(bytes, hex, out _);
    }

    /// <summary>24 lower-case hex digits.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Size];
        Write(bytes);
        return Convert.ToHexStringLower(bytes);
    }

    /// <summary>Orders as MongoDB orders ObjectIds: byte by byte.</summary>
    public int CompareTo(MessageKey other)
    {
        int bySeconds = _seconds.CompareTo(other._seconds);
        return bySeconds != 0 ? bySeconds : _rest.CompareTo(other._rest);
    }

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator <(MessageKey left, MessageKey right) => left.CompareTo(right) < 0;

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator >(MessageKey left, MessageKey right) => left.CompareTo(right) > 0;

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator <=(MessageKey left, MessageKey right) => left.CompareTo(right) <= 0;

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator >=(MessageKey left, MessageKey right) => left.CompareTo(right) >= 0;

    private static ulong NextRandom()
    {
        byte[] block = t_random ??= new byte[RandomBlock];
        if (t_unused == 0)
        {
            RandomNumberGenerator.Fill(block);
            t_unused = block.Length;
        }

        t_unused -= sizeof(ulong);
        return BinaryPrimitives.ReadUInt64BigEndian(block.AsSpan(t_unused));
    }
}
