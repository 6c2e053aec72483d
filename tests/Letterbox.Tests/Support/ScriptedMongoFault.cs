// Test code. The faults that the scripted MongoDB server commits on demand.

namespace Letterbox.Tests.Support;

/// <summary>What happens to the connection in place of, or after, an answer.</summary>
internal enum MongoMisbehaviour
{
    /// <summary>The answer is sent.</summary>
    None,

    /// <summary>The answer is sent, late and in two pieces.</summary>
    Slow,

    /// <summary>The connection is closed without an answer.</summary>
    Drop,

    /// <summary>The answer never comes.</summary>
    Freeze,

    /// <summary>Half of the answer, and the connection is closed.</summary>
    Half,

    /// <summary>Bytes that are no message.</summary>
    Garbage,

    /// <summary>A header that promises a little more than follows.</summary>
    TooLong,

    /// <summary>A header that promises 2 GiB.</summary>
    ImpossiblyLong,

    /// <summary>A header that promises -1 bytes.</summary>
    NegativeLength,

    /// <summary>A sound message around a document of the right length that is no BSON inside.</summary>
    BrokenDocument,

    /// <summary>A sound message around a document that says it is longer than it is.</summary>
    DocumentTooLong,

    /// <summary>A sound message around a document that says it is shorter than it is.</summary>
    DocumentTooShort,

    /// <summary>A sound message around a document that does not end in a zero byte.</summary>
    DocumentWithoutEnd,
}

/// <summary>One fault, for one command.</summary>
internal sealed record MongoFault
{
    /// <summary>The command is carried out all the same.</summary>
    public bool CarryOut { get; init; }

    /// <summary>Answered instead of what would be answered.</summary>
    public MongoDoc? Answer { get; init; }

    /// <summary>Added to the answer.</summary>
    public MongoDoc? WriteConcernError { get; init; }

    /// <summary>Documents of an insert, by index, that are not stored, with the code of each.</summary>
    public IReadOnlyDictionary<int, int> WriteErrors { get; init; } = new Dictionary<int, int>();

    public MongoMisbehaviour Misbehaviour { get; init; }

    /// <summary>
    /// Before the answer goes out the set has another primary, and what only the old one had is lost.
    /// </summary>
    public bool Elects { get; init; }

    /// <summary>Misbehaves before the command is carried out.</summary>
    public static MongoFault Before(MongoMisbehaviour misbehaviour) => new() { Misbehaviour = misbehaviour };

    /// <summary>Misbehaves after the command was carried out.</summary>
    public static MongoFault After(MongoMisbehaviour misbehaviour) =>
        new() { Misbehaviour = misbehaviour, CarryOut = true };

    /// <summary>The command fails and does nothing.</summary>
    public static MongoFault CommandError(int code, string text = "scripted", params string[] labels)
    {
        var answer = new MongoDoc { { "ok", 0.0 }, { "errmsg", text }, { "code", code } };
        if (labels.Length > 0) answer.Add("errorLabels", labels.ToArray<object?>());
        return new MongoFault { Answer = answer };
    }

    /// <summary>The command is carried out, but is not durable.</summary>
    public static MongoFault NotDurable(int code) => new()
    {
        CarryOut = true,
        WriteConcernError = new MongoDoc { { "code", code }, { "errmsg", "scripted" } },
    };

    /// <summary>Some documents are not stored.</summary>
    public static MongoFault Reject(params (int Index, int Code)[] errors) => new()
    {
        CarryOut = true,
        WriteErrors = errors.ToDictionary(static e => e.Index, static e => e.Code),
    };
}
