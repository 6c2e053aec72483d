// BSON (bsonspec.org, version 1.1), written into a pooled buffer, read in place. Little-endian.
//
//    document  +--------------+---------+---------+-----+------+
//              | int32: bytes | element | element | ... | 0x00 |    the length counts itself and the zero
//              +--------------+---------+---------+-----+------+
//    element   +------+-------------+------+-------+
//              | type | name, UTF-8 | 0x00 | value |                an array is a document that names its
//              +------+-------------+------+-------+                elements "0", "1", ...
//    string    +--------------+-------+------+
//              | int32: bytes | UTF-8 | 0x00 |                      the length counts the zero; a text may
//              +--------------+-------+------+                      hold zeros of its own, a name may not
//
//    01 double, 8 bytes  02 string     03 document           04 array      05 binary: int32, subtype, bytes
//    06 nothing          07 ObjectId   08 bool, 1 byte       09 date, 8    0A null, nothing
//    0B two names        0C string and ObjectId              0D string     0E string
//    0F int32, then as long as it says  10 int32             11 timestamp, 8                12 int64
//    13 decimal, 16      FF, 7F nothing

using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Letterbox.Store;

/// <summary>The types of values that Letterbox looks at; others are skipped.</summary>
internal enum BsonType : byte
{
    Double = 0x01,
    String = 0x02,
    Document = 0x03,
    Array = 0x04,
    ObjectId = 0x07,
    Bool = 0x08,
    Null = 0x0A,
    Int32 = 0x10,
    Int64 = 0x12,
}

/// <summary>
/// Writes documents one after the other into one growing buffer. Names hold no zeros. Not thread-safe.
/// </summary>
internal sealed class BsonWriter : IDisposable
{
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(4096);
    private int _length;

    /// <summary>What was written; valid until the next call.</summary>
    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, _length);

    /// <summary>Begins a document of its own. Returns what <see cref="End"/> needs.</summary>
    public int Begin()
    {
        Take(4);
        return _length - 4;
    }

    /// <summary>Begins a document as the value of an element.</summary>
    public int Begin(ReadOnlySpan<byte> name)
    {
        Name(BsonType.Document, name);
        return Begin();
    }

    /// <summary>Begins a document as an element of an array.</summary>
    public int Begin(int index)
    {
        Span<byte> digits = stackalloc byte[10];
        return Begin(Digits(index, digits));
    }

    /// <summary>Begins an array as the value of an element.</summary>
    public int BeginArray(ReadOnlySpan<byte> name)
    {
        Name(BsonType.Array, name);
        return Begin();
    }

    /// <summary>Ends the document or array that began at <paramref name="start"/>.</summary>
    public void End(int start)
    {
        Take(1)[0] = 0;
        BinaryPrimitives.WriteInt32LittleEndian(_buffer.AsSpan(start), _length - start);
    }

    public void Int32(ReadOnlySpan<byte> name, int value)
    {
        Name(BsonType.Int32, name);
        BinaryPrimitives.WriteInt32LittleEndian(Take(4), value);
    }

    public void Bool(ReadOnlySpan<byte> name, bool value)
    {
        Name(BsonType.Bool, name);
        Take(1)[0] = value ? (byte)1 : (byte)0;
    }

    public void ObjectId(ReadOnlySpan<byte> name, ObjectId value)
    {
        Name(BsonType.ObjectId, name);
        value.Write(Take(Letterbox.ObjectId.Size));
    }

    /// <summary>An element of an array.</summary>
    public void ObjectId(int index, ObjectId value)
    {
        Span<byte> digits = stackalloc byte[10];
        ObjectId(Digits(index, digits), value);
    }

    public void String(ReadOnlySpan<byte> name, string value)
    {
        Name(BsonType.String, name);
        int bytes = Encoding.UTF8.GetByteCount(value);
        Span<byte> at = Take(4 + bytes + 1);
        BinaryPrimitives.WriteInt32LittleEndian(at, bytes + 1);
        Encoding.UTF8.GetBytes(value, at[4..]);
        at[^1] = 0;
    }

    /// <summary>Gives the buffer back.</summary>
    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        (_buffer, _length) = ([], 0);
    }

    private static ReadOnlySpan<byte> Digits(int index, Span<byte> digits)
    {
        index.TryFormat(digits, out int written, default, CultureInfo.InvariantCulture);
        return digits[..written];
    }

    private void Name(BsonType type, ReadOnlySpan<byte> name)
    {
        Span<byte> at = Take(1 + name.Length + 1);
        at[0] = (byte)type;
        name.CopyTo(at[1..]);
        at[^1] = 0;
    }

    private Span<byte> Take(int bytes)
    {
        if (_buffer.Length - _length < bytes)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(2 * _buffer.Length, _length + bytes));
            Written.CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }

        _length += bytes;
        return _buffer.AsSpan(_length - bytes, bytes);
    }
}

/// <summary>
/// Reads the elements of one document in order: after <see cref="Read"/>, type, name and value are those of
/// the element it stands on. What is no BSON throws <see cref="InvalidDataException"/> and nothing else.
/// </summary>
internal ref struct BsonReader
{
    private ReadOnlySpan<byte> _rest;

    /// <summary>Reads <paramref name="document"/>, which is exactly one.</summary>
    public BsonReader(ReadOnlySpan<byte> document)
    {
        if (document.Length < 5 || document[^1] != 0) throw Malformed();
        if (BinaryPrimitives.ReadInt32LittleEndian(document) != document.Length) throw Malformed();
        _rest = document[4..^1];
    }

    public BsonType Type { get; private set; }

    public ReadOnlySpan<byte> Name { get; private set; }

    /// <summary>The value as it stands there; of a string or document with its length.</summary>
    public ReadOnlySpan<byte> Value { get; private set; }

    /// <summary>The value, if it is a string; bytes that are not UTF-8 become U+FFFD.</summary>
    public readonly string? AsString =>
        Type == BsonType.String ? Encoding.UTF8.GetString(Value[4..^1]) : null;

    /// <summary>The value, if it is an ObjectId.</summary>
    public readonly ObjectId? AsObjectId => Type == BsonType.ObjectId ? ObjectId.Read(Value) : null;

    /// <summary>
    /// The value, if it is a number, as servers differ on which of the three; fractions are cut off.
    /// </summary>
    public readonly long? AsInteger => Type switch
    {
        BsonType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(Value),
        BsonType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(Value),
        BsonType.Double => (long)BinaryPrimitives.ReadDoubleLittleEndian(Value),
        _ => null,
    };

    /// <summary>Goes to the next element; false at the end.</summary>
    public bool Read()
    {
        if (_rest.IsEmpty) return false;
        Type = (BsonType)_rest[0];
        _rest = _rest[1..];
        int name = NameLength(_rest);
        Name = _rest[..name];
        _rest = _rest[(name + 1)..];
        int length = ValueLength((byte)Type, _rest);
        if (length < 0 || length > _rest.Length) throw Malformed();
        Value = _rest[..length];
        _rest = _rest[length..];
        return true;
    }

    private static InvalidDataException Malformed() => new("bytes that are not BSON");

    private static int NameLength(ReadOnlySpan<byte> rest) =>
        rest.IndexOf((byte)0) is >= 0 and var length ? length : throw Malformed();

    private static int ValueLength(byte type, ReadOnlySpan<byte> rest)
    {
        switch (type)
        {
            case 0x01 or 0x09 or 0x11 or 0x12: return 8;
            case 0x02 or 0x0D or 0x0E: return StringLength(rest);
            case 0x03 or 0x04: return Prefix(rest, least: 5);
            case 0x05: return Prefix(rest, least: 0) + 5;
            case 0x06 or 0x0A or 0x7F or 0xFF: return 0;
            case 0x07: return Letterbox.ObjectId.Size;
            case 0x08: return 1;
            case 0x0B:
                int pattern = NameLength(rest) + 1;
                return pattern + NameLength(rest[pattern..]) + 1;
            case 0x0C: return StringLength(rest) + Letterbox.ObjectId.Size;
            case 0x0F: return Prefix(rest, least: 14);
            case 0x10: return 4;
            case 0x13: return 16;
            default: throw Malformed();
        }
    }

    private static int StringLength(ReadOnlySpan<byte> rest)
    {
        int length = 4 + Prefix(rest, least: 1);
        return length <= rest.Length && rest[length - 1] == 0 ? length : throw Malformed();
    }

    /// <summary>The int32 that a value begins with; never more than there is.</summary>
    private static int Prefix(ReadOnlySpan<byte> rest, int least)
    {
        if (rest.Length < 4) throw Malformed();
        int prefix = BinaryPrimitives.ReadInt32LittleEndian(rest);
        return prefix >= least && prefix <= rest.Length ? prefix : throw Malformed();
    }
}
