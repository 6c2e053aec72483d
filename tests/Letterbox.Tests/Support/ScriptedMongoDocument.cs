// Test code. BSON documents as trees, for the scripted MongoDB server: what a test can look into and make up.

using System.Collections;
using System.Globalization;
using System.Text;
using Letterbox.Messages;

namespace Letterbox.Tests.Support;

/// <summary>
/// A document: fields in order. Values are double, string, ObjectId, bool, int, long, null, documents,
/// arrays (object?[]), and <see cref="RawValue"/> for whatever else there is.
/// </summary>
internal sealed class MongoDoc : IEnumerable<KeyValuePair<string, object?>>
{
    private readonly List<KeyValuePair<string, object?>> _fields = [];

    public IEnumerable<string> Names => _fields.Select(static f => f.Key);

    public object? this[string name] => _fields.FirstOrDefault(f => f.Key == name).Value;

    public void Add(string name, object? value) => _fields.Add(new(name, value));

    public bool Has(string name) => _fields.Exists(f => f.Key == name);

    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator() => _fields.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>
    /// Independent of what the product reads and writes with, so that neither hides a fault of the other.
    /// </summary>
    public static MongoDoc Decode(ReadOnlySpan<byte> bytes)
    {
        var document = new MongoDoc();
        if (BitConverter.ToInt32(bytes) != bytes.Length || bytes[^1] != 0)
            throw new InvalidDataException("a document of another length than it says");
        for (ReadOnlySpan<byte> rest = bytes[4..^1]; !rest.IsEmpty;)
        {
            byte type = rest[0];
            int name = rest[1..].IndexOf((byte)0);
            ReadOnlySpan<byte> value = rest[(name + 2)..];
            value = value[..Length(type, value)];
            document.Add(Encoding.UTF8.GetString(rest.Slice(1, name)), Value(type, value));
            rest = rest[(name + 2 + value.Length)..];
        }

        return document;
    }

    // The lengths of https://bsonspec.org; what is not BSON throws.
    private static int Length(byte type, ReadOnlySpan<byte> value) => type switch
    {
        0x01 or 0x09 or 0x11 or 0x12 => 8,
        0x02 or 0x0D or 0x0E => 4 + BitConverter.ToInt32(value),
        0x03 or 0x04 or 0x0F => BitConverter.ToInt32(value),
        0x05 => 5 + BitConverter.ToInt32(value),
        0x06 or 0x0A or 0x7F or 0xFF => 0,
        0x07 => 12,
        0x08 => 1,
        0x0B when value.IndexOf((byte)0) + 1 is var end => end + value[end..].IndexOf((byte)0) + 1,
        0x0C => 4 + BitConverter.ToInt32(value) + 12,
        0x10 => 4,
        0x13 => 16,
        _ => throw new InvalidDataException($"no BSON type {type:x2}"),
    };

    private static object? Value(byte type, ReadOnlySpan<byte> value) => type switch
    {
        0x01 => BitConverter.ToDouble(value),
        0x02 => Encoding.UTF8.GetString(value[4..^1]),
        0x03 => Decode(value),
        0x04 => Decode(value)._fields.Select(static f => f.Value).ToArray(),
        0x07 when MessageKey.TryParse(Convert.ToHexString(value), out MessageKey id) => id,
        0x08 => value[0] != 0,
        0x0A => null,
        0x10 => BitConverter.ToInt32(value),
        0x12 => BitConverter.ToInt64(value),
        _ => new RawValue(type, Convert.ToHexString(value)),
    };

    /// <inheritdoc cref="Decode"/>
    public byte[] Encode()
    {
        using var memory = new MemoryStream();
        using var writer = new BinaryWriter(memory);
        writer.Write(0);
        foreach ((string name, object? value) in _fields) Write(writer, name, value);
        writer.Write((byte)0);
        byte[] bytes = memory.ToArray();
        BitConverter.TryWriteBytes(bytes, bytes.Length);
        return bytes;
    }

    private static void Write(BinaryWriter writer, string name, object? value)
    {
        (byte type, byte[] bytes) = value switch
        {
            double v => ((byte)0x01, BitConverter.GetBytes(v)),
            string v => ((byte)0x02, Text(v)),
            MongoDoc v => ((byte)0x03, v.Encode()),
            object?[] v => ((byte)0x04, FromArray(v).Encode()),
            MessageKey v => ((byte)0x07, Convert.FromHexString(v.ToString())),
            bool v => ((byte)0x08, new[] { v ? (byte)1 : (byte)0 }),
            null => ((byte)0x0A, Array.Empty<byte>()),
            int v => ((byte)0x10, BitConverter.GetBytes(v)),
            long v => ((byte)0x12, BitConverter.GetBytes(v)),
            RawValue v => (v.Type, Convert.FromHexString(v.Hex)),
            _ => throw new NotSupportedException($"no BSON for {value.GetType()}"),
        };
        writer.Write(type);
        writer.Write([.. Encoding.UTF8.GetBytes(name), 0]);
        writer.Write(bytes);
    }

    private static byte[] Text(string value)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(value);
        return [.. BitConverter.GetBytes(utf8.Length + 1), .. utf8, 0];
    }

    private static MongoDoc FromArray(object?[] values)
    {
        var document = new MongoDoc();
        foreach ((int i, object? value) in values.Index())
            document.Add(i.ToString(CultureInfo.InvariantCulture), value);
        return document;
    }
}

/// <summary>A value of a type that no test looks into; equal when type and bytes are.</summary>
internal sealed record RawValue(byte Type, string Hex);
