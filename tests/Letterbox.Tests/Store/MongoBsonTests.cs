// BSON byte by byte: what is written, what is read, and that no broken byte gets further than the reader.

using Letterbox.Store;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store;

public sealed class MongoBsonTests
{
    [Fact]
    public void The_example_of_the_specification_is_written_as_it_stands_there()
    {
        using var bson = new BsonWriter();
        int document = bson.Begin();
        bson.String("hello"u8, "world");
        bson.End(document);
        Assert.Equal("\x16\0\0\0\x02hello\0\x06\0\0\0world\0\0"u8, bson.Written);
    }

    [Fact]
    public void A_message_is_written_as_another_writer_writes_it_and_read_back()
    {
        StoredMessage message = MongoMessages.At(1, "zero \0, Кирилиця, 📬, \r\n", "ім'я");
        byte[] bytes = Encode(message);
        var other = new MongoDoc
        {
            { "_id", message.Id },
            { "date", message.Date },
            { "username", message.Username },
            { "message", message.Text },
        };
        Assert.Equal(other.Encode(), bytes);
        Assert.Equal(message, MessageDocument.Read(bytes));
    }

    [Fact]
    public void Every_type_there_is_is_passed_over()
    {
        (byte Type, string Hex)[] all =
        [
            (0x01, "000000000000F03F"), (0x02, "020000006100"), (0x03, "0500000000"),
            (0x04, "0500000000"), (0x05, "0300000000010203"), (0x06, ""),
            (0x07, "000102030405060708090A0B"), (0x08, "01"), (0x09, "0000000000000000"), (0x0A, ""),
            (0x0B, "612E62006900"), (0x0C, "020000006100000102030405060708090A0B"),
            (0x0D, "020000006100"), (0x0E, "020000006100"), (0x0F, "0F0000000200000061000500000000"),
            (0x10, "01000000"), (0x11, "0000000000000000"), (0x12, "0100000000000000"),
            (0x13, "00000000000000000000000000000000"), (0xFF, ""), (0x7F, ""),
        ];
        foreach ((byte type, string hex) in all)
        {
            var document = new MongoDoc { { "x", new RawValue(type, hex) }, { "message", "after" } };
            Assert.Equal("after", MessageDocument.Read(document.Encode()).Text);
        }
    }

    [Fact]
    public void A_document_cut_at_any_byte_is_refused()
    {
        byte[] whole = Encode(MongoMessages.At(0));
        for (int length = 0; length < whole.Length; length++)
        {
            Assert.Throws<InvalidDataException>(() => MessageDocument.Read(whole.AsSpan(0, length)));
            // With a length and an end that look right, so that the cut is met inside.
            byte[] cut = [.. whole[..length], 0];
            if (cut.Length < 6 || !BitConverter.TryWriteBytes(cut, cut.Length)) continue;
            ReadOrRefuse(cut);
        }
    }

    [Fact]
    public void A_document_with_any_byte_changed_is_read_or_refused_and_nothing_else()
    {
        byte[] whole = Encode(MongoMessages.At(0));
        for (int at = 0; at < whole.Length; at++)
        {
            foreach (byte value in new byte[] { 0, 1, 0x02, 0x05, 0x0B, 0x0C, 0x0F, 0x7F, 0x80, 0xFF })
            {
                byte[] changed = [.. whole];
                changed[at] = value;
                ReadOrRefuse(changed);
            }
        }
    }

    [Fact]
    public void Numbers_are_read_from_all_three_types()
    {
        foreach (object n in new object[] { 7, 7L, 7.0 })
        {
            byte[] reply = new MongoDoc { { "n", n }, { "ok", 1.0 } }.Encode();
            Assert.Equal(7, InsertReply.Read(reply).Inserted);
        }
    }

    private static void ReadOrRefuse(byte[] bytes)
    {
        try
        {
            MessageDocument.Read(bytes);
        }
        catch (InvalidDataException)
        {
            // Refused. Anything else that is thrown fails the test.
        }
    }

    /// <summary>
    /// The one element of the array it is written into, which begins after length, type and name "0".
    /// </summary>
    private static byte[] Encode(StoredMessage message)
    {
        using var bson = new BsonWriter();
        int array = bson.Begin();
        MessageDocument.Write(bson, 0, message);
        bson.End(array);
        return bson.Written[7..^1].ToArray();
    }
}
