// What MongoDB answers to an insert command:
//
//     { ok: 1, n: 997, writeErrors: [ { index: 3, code: 11000, errmsg: "..." }, ... ],
//       writeConcernError: { code: 64, errmsg: "..." }, errorLabels: [ "RetryableWriteError" ] }
//
// n is the number of documents inserted, writeErrors tells of each that was not, writeConcernError that what
// was inserted is not (yet) as durable as was asked, and errorLabels that the same may work in a moment.
// The driver throws an answer with a writeConcernError; MongoFailure.cs reads that one.

using MongoDB.Bson;

namespace Letterbox.Store.Mongo;

/// <summary>An error as the server writes it.</summary>
internal readonly record struct ServerError(long Index, long Code, string Text)
{
    /// <summary>Fit for a log: one line.</summary>
    public override string ToString() => $"{Text} (MongoDB {Code})";

    /// <summary>Reads one; what is missing or of another type is empty.</summary>
    public static ServerError Read(BsonDocument error) => new(
        // An error that does not say which document it means must not be taken for the first one's.
        Number(error, "index") ?? -1,
        Number(error, "code") ?? 0,
        MongoFailure.OneLine(error.GetValue("errmsg", "") is BsonString { Value: var text } ? text : ""));

    public static long? Number(BsonDocument document, string name) => document.GetValue(name, 0) switch
    {
        // Servers differ on which of the three types a number is; fractions are cut off.
        { IsInt32: true } or { IsInt64: true } or { IsDouble: true } when document.Contains(name) =>
            document[name].ToInt64(),
        _ => null,
    };
}

/// <summary>The answer to an insert command.</summary>
/// <param name="Inserted">Documents inserted.</param>
/// <param name="Errors">Documents not inserted.</param>
/// <param name="IsTransient">Whether the server calls its errors transient.</param>
internal sealed record InsertReply(long Inserted, IReadOnlyList<ServerError> Errors, bool IsTransient)
{
    /// <exception cref="InvalidCastException">It is not built like an answer.</exception>
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
