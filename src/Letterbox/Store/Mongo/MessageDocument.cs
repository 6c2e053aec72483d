// A stored message as MongoDB's document: exactly these fields, in this order.
//
//     { _id: ObjectId, date: "2022-10-29 20:20:58.020261", username: "krabaton", message: "First message" }

using Letterbox.Messages;
using MongoDB.Bson;
using MongoDB.Bson.IO;
using MongoDB.Bson.Serialization;
using MongoDB.Bson.Serialization.Serializers;
using BsonObjectId = MongoDB.Bson.ObjectId;

namespace Letterbox.Store.Mongo;

// Writes a message directly into the driver's output and reads it from its input, without a BsonDocument.
internal sealed class MessageDocument : SerializerBase<StoredMessage>
{
    public static readonly MessageDocument Instance = new();

    public static BsonObjectId ToBson(MessageKey id)
    {
        byte[] bytes = new byte[MessageKey.Size];
        id.Write(bytes);
        return new BsonObjectId(bytes);
    }

    public override void Serialize(
        BsonSerializationContext context, BsonSerializationArgs args, StoredMessage value)
    {
        IBsonWriter bson = context.Writer;
        bson.WriteStartDocument();
        bson.WriteName("_id");
        bson.WriteObjectId(ToBson(value.Id));
        bson.WriteString("date", value.Date);
        bson.WriteString("username", value.Username);
        bson.WriteString("message", value.Text);
        bson.WriteEndDocument();
    }

    // Any program may have written the document: a field that is missing or of another type is empty, other
    // fields are skipped.
    public override StoredMessage Deserialize(
        BsonDeserializationContext context, BsonDeserializationArgs args)
    {
        IBsonReader bson = context.Reader;
        MessageKey id = default;
        string date = "", username = "", text = "";
        bson.ReadStartDocument();
        while (bson.ReadBsonType() != BsonType.EndOfDocument)
        {
            switch (bson.ReadName())
            {
                case "_id" when bson.CurrentBsonType == BsonType.ObjectId:
                    id = MessageKey.Read(bson.ReadObjectId().ToByteArray());
                    break;
                case "date": date = Text(bson); break;
                case "username": username = Text(bson); break;
                case "message": text = Text(bson); break;
                default: bson.SkipValue(); break;
            }
        }

        bson.ReadEndDocument();
        return new StoredMessage(id, date, username, text);
    }

    private static string Text(IBsonReader bson)
    {
        if (bson.CurrentBsonType == BsonType.String) return bson.ReadString();
        bson.SkipValue();
        return "";
    }
}
