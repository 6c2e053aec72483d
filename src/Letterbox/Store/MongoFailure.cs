// What a failure of MongoDB means, by its code.
//
//    meaning     of a whole command, or a connection      of one document in it
//    ----------  ---------------------------------------  --------------------------------------------------
//    transient   all but those below: the connection,     91, 189, 10107 and others that the server calls
//                an election, not durable yet             retryable, or any at all under its label
//    place       13 not authorised, 18 and 8000 not       13, 14031
//                authenticated, 14031 disk full;
//                libmongoc's own: client 11
//    duplicate                                            11000
//    poison                                               121 failed validation, 10334 too large, 17280 index
//                                                         key too large
//    doubtful                                             all others
//
// libmongoc tells a code together with the domain that it is of: 17 is the server's, 11 the same as older
// servers tell it, 1 the client's. 8000 is what Atlas says of a wrong password.
//
// libmongoc calls any failure during a login client 11, an election or a connection that breaks among them.
// So a fault of the place is believed when it comes a second time in a row; until then it is of the moment.

namespace Letterbox.Store;

/// <summary>What the refusal of one document means.</summary>
internal enum Refusal
{
    /// <summary>Something has this key, or another key that must be unique.</summary>
    Duplicate,

    /// <summary>The document is at fault, and always will be.</summary>
    Poison,

    /// <summary>The place is at fault, until somebody mends it.</summary>
    Place,

    /// <summary>The moment is at fault.</summary>
    Transient,

    /// <summary>Not known here.</summary>
    Doubtful,
}

/// <summary>Why nothing is certain of what was asked of MongoDB.</summary>
/// <param name="Reason">Fit for a log: one line, never with a password.</param>
/// <param name="OfThePlace">
/// Whether, if it comes again, somebody has to mend something before it can work.
/// </param>
internal sealed record MongoFailure(string Reason, bool OfThePlace = false)
{
    private const uint ClientDomain = 1, CommandDomain = 11, ServerDomain = 17;
    private const uint ClientAuthenticate = 11;

    /// <summary>What libmongoc tells.</summary>
    public static MongoFailure Of(BsonError error)
    {
        if (error.Domain == 0 && error.Code == 0) return new("libmongoc failed without a reason");
        bool place = error.Domain switch
        {
            ClientDomain => error.Code == ClientAuthenticate,
            CommandDomain or ServerDomain => Meaning(error.Code) == Refusal.Place,
            _ => false,
        };
        return new($"{error.Message} (libmongoc {error.Domain}/{error.Code})", place);
    }

    /// <summary>What a code of the server means for the document that it is about.</summary>
    public static Refusal Meaning(long code) => code switch
    {
        11000 => Refusal.Duplicate,
        121 or 10334 or 17280 => Refusal.Poison,
        13 or 18 or 8000 or 14031 => Refusal.Place,
        6 or 7 or 24 or 46 or 50 or 64 or 82 or 89 or 91 or 112 or 117 or 133 or 134 or 150 or 189 or 202
            or 249 or 262 or 365 or 9001 or 10107 or 11600 or 11601 or 11602 or 13388 or 13435 or 13436
            => Refusal.Transient,
        _ => Refusal.Doubtful,
    };
}
