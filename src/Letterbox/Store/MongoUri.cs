// The connection string: read, completed, and never quoted.
//
//     mongodb://user:password@host:27017,host2/database?option=value&option=value
//     mongodb+srv://user:password@name/...                               the hosts are looked up in DNS

using System.Text.RegularExpressions;
using static Letterbox.Store.Libmongoc;

namespace Letterbox.Store;

/// <summary>Makes libmongoc's form of a connection string.</summary>
internal static partial class MongoUri
{
    /// <summary>A relay must learn soon that MongoDB is away, and soon that it is back.</summary>
    private static readonly (string Option, int Milliseconds)[] s_timeouts =
    [
        ("serverSelectionTimeoutMS", 5_000),
        ("connectTimeoutMS", 5_000),
        ("socketTimeoutMS", 10_000),
        ("heartbeatFrequencyMS", 1_000),
    ];

    /// <summary>
    /// Reads a connection string and sets what it leaves open. The caller owns what is returned:
    /// <c>mongoc_uri_destroy</c>.
    /// </summary>
    /// <exception cref="StoreException">No libmongoc, or a connection string that cannot be used.</exception>
    public static nint Parse(string text)
    {
        Load();
        // libmongoc would take what follows the first @ for the host, and name it when it is not reached.
        string authority = text[(text.IndexOf("://", StringComparison.Ordinal) + 3)..].Split('/', 2)[0];
        if (authority.Count(static c => c == '@') > 1)
            throw Refuse("an @ in a user name or password is written %40");

        nint uri = mongoc_uri_new_with_error(text, out BsonError error);
        if (uri == 0) throw Refuse(error);
        foreach ((string option, int milliseconds) in s_timeouts)
        {
            if (!mongoc_uri_has_option(uri, option))
                mongoc_uri_set_option_as_int32(uri, option, milliseconds);
        }

        if (!mongoc_uri_has_option(uri, "appname")) mongoc_uri_set_appname(uri, "letterbox");
        return uri;
    }

    /// <summary>Reads a connection string and forgets it again.</summary>
    /// <exception cref="StoreException">No libmongoc, or a connection string that cannot be used.</exception>
    public static void Check(string text) => mongoc_uri_destroy(Parse(text));

    /// <summary>
    /// What libmongoc has against a connection string. What it quotes is left out: of a malformed one any
    /// piece may be the password.
    /// </summary>
    public static StoreException Refuse(BsonError error) =>
        Refuse(Quoted().Replace(error.Message, "\"...\""));

    private static StoreException Refuse(string reason) =>
        new($"LETTERBOX_MONGODB_URI cannot be used: {reason}");

    [GeneratedRegex("""
        "[^"]*"|'[^']*'
        """, RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Quoted();
}
