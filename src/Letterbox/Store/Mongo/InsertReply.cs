// The reply of MongoDB to an insert command:
//
//     { ok: 1, n: 997, writeErrors: [ { index: 3, code: 11000, errmsg: "..." }, ... ],
//       writeConcernError: { code: 64, errmsg: "..." }, errorLabels: [ "RetryableWriteError" ] }
//
// n is the number of documents inserted; writeErrors names each that was not; writeConcernError means that
// the insert is not (yet) as durable as requested; errorLabels mark the errors as transient. The driver
// throws a reply with a writeConcernError as an exception, see MongoFailure.cs.

using MongoDB.Bson;

namespace Letterbox.Store.Mongo;

// An error as the server writes it.
internal readonly record struct ServerError(long Index, long Code, string Text)
{
    // One line for a log.
    public override string ToString() => $"{Text} (MongoDB {Code})";

    // A field that is missing or of another type is empty.
    public static ServerError Read(BsonDocument error) => new(
        // An error without an index must not be taken for that of the first document.
        Number(error, "index") ?? -1,
        Number(error, "code") ?? 0,
        MongoFailure.OneLine(error.GetValue("errmsg", "") is BsonString { Value: var text } ? text : ""));

    // Servers use any numeric type; fractions are cut off.
    public static long? Number(BsonDocument document, string name) =>
        document.TryGetValue(name, out BsonValue value) && value.IsNumeric ? value.ToInt64() : null;
}

// IsTransient: the server marks its errors as transient.
internal sealed record InsertReply(long Inserted, IReadOnlyList<ServerError> Errors, bool IsTransient)
{
    public static InsertReply Read(BsonDocument reply)
    {
        BsonArray errors = reply.GetValue("writeErrors", new BsonArray()).AsBsonArray;
        BsonArray labels = reply.GetValue("errorLabels", new BsonArray()).AsBsonArray;
        return new InsertReply(
            ServerError.Number(reply, "n") ?? 0,
            [.. errors.Select(static error => ServerError.Read(error.AsBsonDocument))],
            labels.Contains("RetryableWriteError") || labels.Contains("TransientTransactionError"));
    }
}
