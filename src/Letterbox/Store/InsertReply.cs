// What MongoDB answers to an insert command:
//
//     { ok: 1, n: 997, writeErrors: [ { index: 3, code: 11000, errmsg: "..." }, ... ],
//       writeConcernError: { code: 64, errmsg: "..." }, errorLabels: [ "RetryableWriteError" ] }
//
// n is the number of documents inserted, writeErrors tells of each that was not, writeConcernError that what
// was inserted is not (yet) as durable as was asked, and errorLabels that the same may work in a moment.

using System.Text;

namespace Letterbox.Store;

/// <summary>Why one document was not inserted.</summary>
internal readonly record struct WriteError(int Index, long Code, string Text);

/// <summary>The answer to an insert command.</summary>
/// <param name="Inserted">Documents inserted.</param>
/// <param name="Errors">Documents not inserted.</param>
/// <param name="WriteConcernFault">Why durability is not certain; <c>null</c> when it is.</param>
/// <param name="IsTransient">Whether the server calls its errors transient.</param>
internal sealed record InsertReply(
    long Inserted, IReadOnlyList<WriteError> Errors, string? WriteConcernFault, bool IsTransient)
{
    /// <exception cref="InvalidDataException">The bytes are not BSON.</exception>
    public static InsertReply Read(ReadOnlySpan<byte> reply)
    {
        long inserted = 0;
        var errors = new List<WriteError>();
        string? fault = null;
        bool transient = false;
        var bson = new BsonReader(reply);
        while (bson.Read())
        {
            if (bson.Name.SequenceEqual("n"u8)) inserted = bson.AsInteger ?? 0;
            else if (bson.Name.SequenceEqual("writeErrors"u8)) ReadErrors(bson.Value, errors);
            else if (bson.Name.SequenceEqual("writeConcernError"u8)) fault = Describe(ReadError(bson.Value));
            else if (bson.Name.SequenceEqual("errorLabels"u8)) transient = SaysTransient(bson.Value);
        }

        return new InsertReply(inserted, errors, fault, transient);
    }

    /// <summary>An error in one line, for a log.</summary>
    public static string Describe(WriteError error) => $"{error.Text} (MongoDB {error.Code})";

    private static void ReadErrors(ReadOnlySpan<byte> array, List<WriteError> errors)
    {
        var bson = new BsonReader(array);
        while (bson.Read()) errors.Add(ReadError(bson.Value));
    }

    private static WriteError ReadError(ReadOnlySpan<byte> document)
    {
        // An error that does not say which document it means must not be taken for the first one's.
        int index = -1;
        long code = 0;
        string text = "";
        var bson = new BsonReader(document);
        while (bson.Read())
        {
            if (bson.Name.SequenceEqual("index"u8)) index = (int)(bson.AsInteger ?? -1);
            else if (bson.Name.SequenceEqual("code"u8)) code = bson.AsInteger ?? 0;
            else if (bson.Name.SequenceEqual("errmsg"u8)) text = OneLine(bson.AsString ?? "");
        }

        return new WriteError(index, code, text);
    }

    private static bool SaysTransient(ReadOnlySpan<byte> labels)
    {
        var bson = new BsonReader(labels);
        while (bson.Read())
        {
            if (bson.AsString is "RetryableWriteError" or "TransientTransactionError") return true;
        }

        return false;
    }

    private static string OneLine(string text)
    {
        var line = new StringBuilder(text, 0, Math.Min(text.Length, 500), capacity: 512);
        return line.Replace('\r', ' ').Replace('\n', ' ').ToString();
    }
}
