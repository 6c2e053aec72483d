// Test code. The faults that the scripted MongoDB server commits on demand.

namespace Letterbox.Tests.Support;

/// <summary>What happens to the connection in place of, or after, an answer.</summary>
internal enum MongoMisbehaviour
{
    /// <summary>The answer is sent.</summary>
    None,

    /// <summary>The connection is closed without an answer.</summary>
    Drop,

    /// <summary>The answer never comes.</summary>
    Freeze,

    /// <summary>Bytes that are no message.</summary>
    Garbage,

    /// <summary>A header that promises more than follows.</summary>
    WrongLength,

    /// <summary>
    /// A sound message around a document of the right length that is no BSON inside. (A document whose own
    /// length or last byte is wrong ends the process in libmongoc 1.23: see
    /// docs/decisions/0005-libmongoc.md.)
    /// </summary>
    BrokenDocument,
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

    /// <summary>Misbehaves before the command is carried out.</summary>
    public static MongoFault Before(MongoMisbehaviour misbehaviour) => new() { Misbehaviour = misbehaviour };

    /// <summary>Misbehaves after the command was carried out.</summary>
    public static MongoFault After(MongoMisbehaviour misbehaviour) =>
        new() { Misbehaviour = misbehaviour, CarryOut = true };

    /// <summary>The command fails and does nothing.</summary>
    public static MongoFault CommandError(int code, string text = "scripted") =>
        new() { Answer = new MongoDoc { { "ok", 0.0 }, { "errmsg", text }, { "code", code } } };

    /// <summary>The command is carried out, but is not durable.</summary>
    public static MongoFault NotDurable(int code) => new()
    {
        CarryOut = true,
        WriteConcernError = new MongoDoc { { "code", code }, { "errmsg", "scripted" } },
    };

    /// <summary>Some documents are not stored.</summary>
    public static MongoFault Refuse(params (int Index, int Code)[] errors) => new()
    {
        CarryOut = true,
        WriteErrors = errors.ToDictionary(static e => e.Index, static e => e.Code),
    };
}
