// Test code. MongoDB's wire format, as far as drivers use it.
//
//    message   int32 length | int32 id | int32 in answer to | int32 opcode | body
//    2013      OP_MSG: u32 flags | sections: 00 document, or 01 int32 size, name 00, documents
//    2004      OP_QUERY, only for hello: int32 flags | collection 00 | int32 skip | int32 count | document
//    1         OP_REPLY: int32 flags | int64 cursor | int32 from | int32 documents | document

using System.Buffers.Binary;
using System.Text;

namespace Letterbox.Tests.Support;

/// <summary>Reads commands, writes answers.</summary>
internal static class ScriptedMongoWire
{
    /// <summary>Bytes before the body of a message.</summary>
    public const int HeadSize = 16;

    private const int OpReply = 1, OpQuery = 2004, OpMsg = 2013;

    /// <summary>Bytes of the body that follows a head.</summary>
    public static int BodySize(ReadOnlySpan<byte> head) =>
        BinaryPrimitives.ReadInt32LittleEndian(head) - HeadSize;

    /// <summary>The command of a message.</summary>
    public static MongoDoc Read(ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        if (!IsQuery(head)) return ReadMsg(body);
        int document = 4 + body[4..].IndexOf((byte)0) + 1 + 8;
        return MongoDoc.Decode(body[document..]);
    }

    /// <summary>The message that answers the one with this head.</summary>
    public static byte[] Answer(ReadOnlySpan<byte> head, byte[] document)
    {
        byte[] prefix = IsQuery(head)
            ? [8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
            : [0, 0, 0, 0, 0];
        byte[] message = new byte[HeadSize + prefix.Length + document.Length];
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        head.Slice(4, 4).CopyTo(message.AsSpan(8));
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(12), IsQuery(head) ? OpReply : OpMsg);
        prefix.CopyTo(message.AsSpan(HeadSize));
        document.CopyTo(message.AsSpan(HeadSize + prefix.Length));
        return message;
    }

    /// <summary>What is sent of an answer, under a misbehaviour.</summary>
    public static byte[] Spoil(byte[] message, MongoMisbehaviour misbehaviour)
    {
        switch (misbehaviour)
        {
            case MongoMisbehaviour.None or MongoMisbehaviour.Slow:
                return message;
            case MongoMisbehaviour.Drop or MongoMisbehaviour.Freeze:
                return [];
            case MongoMisbehaviour.Half:
                return message[..(message.Length / 2)];
            case MongoMisbehaviour.Garbage:
                return Encoding.ASCII.GetBytes("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            case MongoMisbehaviour.TooLong:
                BinaryPrimitives.WriteInt32LittleEndian(message, message.Length + 7);
                return message;
            case MongoMisbehaviour.ImpossiblyLong:
                BinaryPrimitives.WriteInt32LittleEndian(message, int.MaxValue);
                return message;
            case MongoMisbehaviour.NegativeLength:
                BinaryPrimitives.WriteInt32LittleEndian(message, -1);
                return message;
            case MongoMisbehaviour.BrokenDocument:
                message.AsSpan(25..^1).Fill(0xEE);
                return message;
            case MongoMisbehaviour.DocumentTooLong or MongoMisbehaviour.DocumentTooShort:
                int length = BinaryPrimitives.ReadInt32LittleEndian(message.AsSpan(21));
                length += misbehaviour == MongoMisbehaviour.DocumentTooLong ? 5 : -5;
                BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(21), length);
                return message;
            case MongoMisbehaviour.DocumentWithoutEnd:
                message[^1] = 0x10;
                return message;
            default:
                throw new ArgumentOutOfRangeException(nameof(misbehaviour));
        }
    }

    private static bool IsQuery(ReadOnlySpan<byte> head) =>
        BinaryPrimitives.ReadInt32LittleEndian(head[12..]) == OpQuery;

    private static MongoDoc ReadMsg(ReadOnlySpan<byte> body)
    {
        bool checksum = (body[0] & 1) != 0;
        if (checksum) throw new IOException("checksums are not understood");
        MongoDoc? command = null;
        var sequences = new MongoDoc();
        for (int at = 4; at < body.Length;)
        {
            byte kind = body[at++];
            int size = BinaryPrimitives.ReadInt32LittleEndian(body[at..]);
            if (kind == 0) command = MongoDoc.Decode(body.Slice(at, size));
            else ReadSequence(body.Slice(at, size), sequences);
            at += size;
        }

        foreach ((string name, object? documents) in sequences) command!.Add(name, documents);
        return command!;
    }

    private static void ReadSequence(ReadOnlySpan<byte> section, MongoDoc into)
    {
        int end = section[4..].IndexOf((byte)0) + 4;
        var documents = new List<object?>();
        for (int at = end + 1; at < section.Length;)
        {
            int size = BinaryPrimitives.ReadInt32LittleEndian(section[at..]);
            documents.Add(MongoDoc.Decode(section.Slice(at, size)));
            at += size;
        }

        into.Add(Encoding.UTF8.GetString(section[4..end]), documents.ToArray());
    }
}
