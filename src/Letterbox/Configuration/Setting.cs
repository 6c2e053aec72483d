// The settings as people know them: name, option, default, meaning. Help, errors and what the supervisor
// passes to the processes it starts are all made of this one table.

namespace Letterbox.Configuration;

/// <summary>One setting.</summary>
/// <param name="Variable">The environment variable.</param>
/// <param name="Option">The option that overrides it; <c>null</c>: none.</param>
/// <param name="Default">
/// What counts when neither is given; in parentheses where it is no value but a description.
/// </param>
/// <param name="Meaning">For the help, one line.</param>
public sealed record Setting(string Variable, string? Option, string Default, string Meaning)
{
    /// <summary>Address of the HTTP server.</summary>
    public static readonly Setting Http = new("LETTERBOX_HTTP", "--http", "*:3000",
        "address of the HTTP server; *: every interface, port 0: a free one");

    /// <summary>Address of the socket server.</summary>
    public static readonly Setting Socket = new("LETTERBOX_SOCKET", "--socket", "127.0.0.1:5000",
        "address of the socket server, TCP and UDP; for web and send: where it is, or several with commas");

    /// <summary>The proxies in front of the HTTP server.</summary>
    public static readonly Setting TrustedProxies = new("LETTERBOX_TRUSTED_PROXIES", null, "(none)",
        "addresses and networks of the proxies in front of the HTTP server, whose client addresses count");

    /// <summary>Who can reach the socket server.</summary>
    public static readonly Setting Network = new("LETTERBOX_NETWORK", null, "public",
        "private: every client that reaches the socket server may leave messages; public: loopback only");

    /// <summary>Certificate of this process.</summary>
    public static readonly Setting TlsCertificate = new("LETTERBOX_TLS_CERT", null, "(none: no TLS)",
        "PEM file with a certificate: web and store speak TLS with certificates on both sides; no UDP then");

    /// <summary>Its private key.</summary>
    public static readonly Setting TlsKey = new("LETTERBOX_TLS_KEY", null, "(none)",
        "PEM file with the private key of that certificate; \"letterbox tls init DIR\" makes a pair");

    /// <summary>The certificate authority of the other side's certificate.</summary>
    public static readonly Setting TlsAuthority = new("LETTERBOX_TLS_CA", null,
        "(none: the other side has the same certificate)",
        "PEM file with the CA whose certificates are accepted too, if issued for the host's name");

    /// <summary>Folder of the journal.</summary>
    public static readonly Setting Data = new("LETTERBOX_DATA", "--data", "./data",
        "folder of the journal, letterbox.db");

    /// <summary>Folder with one's own pages.</summary>
    public static readonly Setting Site = new("LETTERBOX_SITE", "--site", "(built in)",
        "folder with your own pages, laid over the ones built in");

    /// <summary>MongoDB connection string.</summary>
    public static readonly Setting MongoUri = new("LETTERBOX_MONGODB_URI", "--mongodb-uri",
        "(none: the journal is the store)",
        "MongoDB connection string; put one with a password in the variable, not in the option");

    /// <summary>File with the MongoDB connection string.</summary>
    public static readonly Setting MongoUriFile = new("LETTERBOX_MONGODB_URI_FILE", null, "(none)",
        "file with the connection string, such as a Docker secret; instead of the variable above");

    /// <summary>Database in MongoDB.</summary>
    public static readonly Setting MongoDatabase = new("LETTERBOX_MONGODB_DATABASE", null,
        "(that of the connection string, or letterbox)", "database in MongoDB");

    /// <summary>Collection in MongoDB.</summary>
    public static readonly Setting MongoCollection = new("LETTERBOX_MONGODB_COLLECTION", null, "messages",
        "collection in it");

    /// <summary>How long delivered messages stay in the journal.</summary>
    public static readonly Setting JournalKeep = new("LETTERBOX_JOURNAL_KEEP", null, "7d",
        "how long messages that MongoDB has stay in the journal: 90s, 30m, 12h, 7d");

    /// <summary>Most bytes in the journal.</summary>
    public static readonly Setting JournalMax = new("LETTERBOX_JOURNAL_MAX", null,
        "(none: the disk is the bound)",
        "most the journal may hold, such as 10GiB; beyond, new messages have to wait");

    /// <summary>Bytes that stay free on the journal's disk.</summary>
    public static readonly Setting DiskReserve = new("LETTERBOX_DISK_RESERVE", null,
        "(64MiB, at most a tenth of the disk)",
        "what stays free on the journal's disk; below, new messages have to wait");

    /// <summary>What one client may leave.</summary>
    public static readonly Setting ClientRate = new("LETTERBOX_CLIENT_RATE", null, "1MiB",
        "bytes of messages that one address (IPv6: /64) may leave per second; off: no bound");

    /// <summary>How much is logged.</summary>
    public static readonly Setting Log = new("LETTERBOX_LOG", null, "information",
        "least severe log line: trace, debug, information, warning, error, critical, none");

    /// <summary>All of them, in the order of the help.</summary>
    public static readonly IReadOnlyList<Setting> All =
    [
        Http, Socket, TrustedProxies, Network, TlsCertificate, TlsKey, TlsAuthority, Data, Site, MongoUri,
        MongoUriFile, MongoDatabase, MongoCollection, JournalKeep, JournalMax, DiskReserve, ClientRate, Log,
    ];
}
