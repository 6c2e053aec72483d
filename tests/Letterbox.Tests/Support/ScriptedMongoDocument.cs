// Test code. BSON documents as trees, for the scripted MongoDB server: what a test can look into and make up.

using System.Collections;
using System.Globalization;
using System.Text;
using Letterbox.Store;

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

    public static MongoDoc Decode(ReadOnlySpan<byte> bytes)
    {
        var document = new MongoDoc();
        var bson = new BsonReader(bytes);
        while (bson.Read())
        {
            object? value = bson.Type switch
            {
                BsonType.Double => BitConverter.ToDouble(bson.Value),
                BsonType.String => bson.AsString,
                BsonType.Document => Decode(bson.Value),
                BsonType.Array => Decode(bson.Value)._fields.Select(static f => f.Value).ToArray(),
                BsonType.ObjectId => bson.AsObjectId,
                BsonType.Bool => bson.Value[0] != 0,
                BsonType.Null => null,
                BsonType.Int32 => BitConverter.ToInt32(bson.Value),
                BsonType.Int64 => BitConverter.ToInt64(bson.Value),
                _ => new RawValue((byte)bson.Type, Convert.ToHexString(bson.Value)),
            };
            document.Add(Encoding.UTF8.GetString(bson.Name), value);
        }

        return document;
    }

    /// <summary>Independent of the product's writer, so that neither hides a fault of the other.</summary>
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
            ObjectId v => ((byte)0x07, Convert.FromHexString(v.ToString())),
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
