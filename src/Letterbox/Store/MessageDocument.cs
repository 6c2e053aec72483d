// A stored message as MongoDB's document: exactly these fields, in this order.
//
//     { _id: ObjectId, date: "2022-10-29 20:20:58.020261", username: "krabaton", message: "First message" }

namespace Letterbox.Store;

/// <summary>The document of a message.</summary>
internal static class MessageDocument
{
    /// <summary>Appends the message as element <paramref name="index"/> of an array.</summary>
    public static void Write(BsonWriter bson, int index, StoredMessage message)
    {
        int document = bson.Begin(index);
        bson.ObjectId("_id"u8, message.Id);
        bson.String("date"u8, message.Date);
        bson.String("username"u8, message.Username);
        bson.String("message"u8, message.Text);
        bson.End(document);
    }

    /// <summary>
    /// Reads a document that may be anybody's: a field that is missing or of another type is empty, others
    /// are passed over.
    /// </summary>
    /// <exception cref="InvalidDataException">The bytes are not BSON.</exception>
    public static StoredMessage Read(ReadOnlySpan<byte> document)
    {
        ObjectId id = default;
        string date = "", username = "", text = "";
        var bson = new BsonReader(document);
        while (bson.Read())
        {
            if (bson.Name.SequenceEqual("_id"u8)) id = bson.AsObjectId ?? default;
            else if (bson.Name.SequenceEqual("date"u8)) date = bson.AsString ?? "";
            else if (bson.Name.SequenceEqual("username"u8)) username = bson.AsString ?? "";
            else if (bson.Name.SequenceEqual("message"u8)) text = bson.AsString ?? "";
        }

        return new StoredMessage(id, date, username, text);
    }
}
