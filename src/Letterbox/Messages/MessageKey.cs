// The key of a message: a 12-byte ObjectId, made once at the first hop and kept all the way to MongoDB's
// `_id`.
//
//    0        4                              12
//    +--------+-------------------------------+
//    | seconds| random                        |     big-endian; 24 lower-case hex digits in text
//    +--------+-------------------------------+
//
// The seconds order keys by time, as MongoDB's ObjectIds are. The rest comes from the system's random
// generator, so that a client cannot predict the next key from the keys that it has seen, and use it before
// its message arrives. Sending a message again under the same key is harmless.

using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Letterbox.Messages;

/// <summary>The idempotency key of a message; equal keys mean the same message.</summary>
internal readonly record struct MessageKey : IComparable<MessageKey>
{
    // In bytes, and in hex digits.
    public const int Size = 12;
    public const int HexLength = 2 * Size;

    // Random bytes for 64 keys at a time: one call of the generator costs more than the rest of a key.
    private const int RandomBlock = 64 * sizeof(ulong);

    [ThreadStatic]
    private static byte[]? t_random;

    [ThreadStatic]
    private static int t_unused;

    private readonly uint _seconds;
    private readonly ulong _rest;

    private MessageKey(uint seconds, ulong rest) => (_seconds, _rest) = (seconds, rest);

    public static MessageKey New(TimeProvider time) =>
        new((uint)time.GetUtcNow().ToUnixTimeSeconds(), NextRandom());

    // Another key of the same second.
    public MessageKey WithRandom(ulong random) => new(_seconds, random);

    // Reads 24 hex digits of either case.
    public static bool TryParse(ReadOnlySpan<byte> hex, out MessageKey id)
    {
        id = default;
        if (hex.Length != HexLength) return false;
        Span<byte> bytes = stackalloc byte[Size];
        if (Convert.FromHexString(hex, bytes, out _, out _) != OperationStatus.Done) return false;
        id = Read(bytes);
        return true;
    }

    public static bool TryParse(ReadOnlySpan<char> hex, out MessageKey id)
    {
        Span<byte> ascii = stackalloc byte[HexLength];
        id = default;
        return Ascii.FromUtf16(hex, ascii, out int length) == OperationStatus.Done
            && TryParse(ascii[..length], out id);
    }

    public static MessageKey Read(ReadOnlySpan<byte> bytes) =>
        new(BinaryPrimitives.ReadUInt32BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[4..]));

    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt32BigEndian(bytes, _seconds);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[4..], _rest);
    }

    public void WriteHex(Span<byte> hex)
    {
        Span<byte> bytes = stackalloc byte[Size];
        Write(bytes);
        Convert.TryToHexStringLower(bytes, hex, out _);
    }

    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Size];
        Write(bytes);
        return Convert.ToHexStringLower(bytes);
    }

    // Orders as MongoDB orders ObjectIds: byte by byte.
    public int CompareTo(MessageKey other) =>
        (_seconds, _rest).CompareTo((other._seconds, other._rest));

    public static bool operator <(MessageKey left, MessageKey right) => left.CompareTo(right) < 0;
    public static bool operator >(MessageKey left, MessageKey right) => left.CompareTo(right) > 0;
    public static bool operator <=(MessageKey left, MessageKey right) => left.CompareTo(right) <= 0;
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
