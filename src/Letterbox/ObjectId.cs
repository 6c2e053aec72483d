// The key of a message: a 12-byte ObjectId, made once at the first hop and kept all the way to MongoDB's
// `_id`.
//
//    0        4                   9          12
//    +--------+-------------------+----------+
//    | seconds| random per process| counter  |      all big-endian; 24 lower-case hex digits in text
//    +--------+-------------------+----------+
//
// Layout: MongoDB's BSON ObjectId specification. Sending a message again under the same key is harmless.

using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Letterbox;

/// <summary>
/// The idempotency key of a message; equal keys mean the same message. Immutable, safe on any thread.
/// </summary>
public readonly record struct ObjectId : IComparable<ObjectId>
{
    /// <summary>Length of the binary form in bytes.</summary>
    public const int Size = 12;

    /// <summary>Length of the text form in hex digits.</summary>
    public const int HexLength = 2 * Size;

    private static readonly ulong s_process = NewProcessPart();
    private static int s_counter = RandomNumberGenerator.GetInt32(0x100_0000);

    private readonly uint _seconds;
    private readonly ulong _rest;

    private ObjectId(uint seconds, ulong rest) => (_seconds, _rest) = (seconds, rest);

    /// <summary>A fresh key: no two calls in this process, or in any other, give the same one.</summary>
    public static ObjectId New(TimeProvider time)
    {
        uint seconds = (uint)time.GetUtcNow().ToUnixTimeSeconds();
        uint count = (uint)Interlocked.Increment(ref s_counter) & 0xFF_FFFF;
        return new ObjectId(seconds, s_process | count);
    }

    /// <summary>Reads 24 hex digits of either case; anything else is not a key.</summary>
    public static bool TryParse(ReadOnlySpan<byte> hex, out ObjectId id)
    {
        id = default;
        if (hex.Length != HexLength) return false;
        Span<byte> bytes = stackalloc byte[Size];
        if (Convert.FromHexString(hex, bytes, out _, out _) != OperationStatus.Done) return false;
        id = Read(bytes);
        return true;
    }

    /// <inheritdoc cref="TryParse(ReadOnlySpan{byte}, out ObjectId)"/>
    public static bool TryParse(ReadOnlySpan<char> hex, out ObjectId id)
    {
        Span<byte> ascii = stackalloc byte[HexLength];
        id = default;
        return Ascii.FromUtf16(hex, ascii, out int length) == OperationStatus.Done
            && TryParse(ascii[..length], out id);
    }

    /// <summary>
    /// Reads the binary form; <paramref name="bytes"/> holds at least <see cref="Size"/> bytes.
    /// </summary>
    public static ObjectId Read(ReadOnlySpan<byte> bytes) =>
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
    public int CompareTo(ObjectId other)
    {
        int bySeconds = _seconds.CompareTo(other._seconds);
        return bySeconds != 0 ? bySeconds : _rest.CompareTo(other._rest);
    }

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator <(ObjectId left, ObjectId right) => left.CompareTo(right) < 0;

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator >(ObjectId left, ObjectId right) => left.CompareTo(right) > 0;

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator <=(ObjectId left, ObjectId right) => left.CompareTo(right) <= 0;

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator >=(ObjectId left, ObjectId right) => left.CompareTo(right) >= 0;

    private static ulong NewProcessPart()
    {
        Span<byte> bytes = stackalloc byte[8];
        RandomNumberGenerator.Fill(bytes);
        return BinaryPrimitives.ReadUInt64BigEndian(bytes) & ~0xFF_FFFFul;
    }
}
