// The table of the settings: name, option, default, meaning. The help, the errors and the environment of
// child processes are made from it.

namespace Letterbox.Configuration;

// `Option` overrides `Variable`. `Default` is in parentheses where it is a description, not a value.
internal sealed record Setting(string Variable, string? Option, string Default, string Meaning)
{
    public static readonly Setting Http = new("LETTERBOX_HTTP", "--http", "*:3000",
        "address of the HTTP server; *: every interface, port 0: a free one");

    public static readonly Setting Socket = new("LETTERBOX_SOCKET", "--socket", "127.0.0.1:5000",
        "address of the socket server, TCP and UDP; web and send take several, separated by commas");

    public static readonly Setting TrustedProxies = new("LETTERBOX_TRUSTED_PROXIES", null, "(none)",
        "addresses and networks of the proxies in front of the HTTP server that may name the client");

    public static readonly Setting Network = new("LETTERBOX_NETWORK", null, "public",
        "private: every client that can reach the socket server may send messages; else only this machine");

    public static readonly Setting TlsCertificate = new("LETTERBOX_TLS_CERT", null, "(none: no TLS)",
        "PEM file with a certificate: web and store use TLS with certificates on both sides, and no UDP");

    public static readonly Setting TlsKey = new("LETTERBOX_TLS_KEY", null, "(none)",
        "PEM file with the private key of that certificate; \"letterbox tls init DIR\" makes a pair");

    public static readonly Setting TlsAuthority = new("LETTERBOX_TLS_CA", null,
        "(none: the other side has the same certificate)",
        "PEM file with the CA whose certificates are accepted too, if issued for the host's name");

    public static readonly Setting Data = new("LETTERBOX_DATA", "--data", "./data",
        "folder of the journal, letterbox.db");

    public static readonly Setting Site = new("LETTERBOX_SITE", "--site", "(built in)",
        "folder with custom pages, which replace the built-in ones of the same name");

    public static readonly Setting MongoUri = new("LETTERBOX_MONGODB_URI", "--mongodb-uri",
        "(none: the journal is the store)",
        "MongoDB connection string; with a password, use the variable and not the option");

    public static readonly Setting MongoUriFile = new("LETTERBOX_MONGODB_URI_FILE", null, "(none)",
        "file with the connection string, such as a Docker secret; instead of the variable above");

    public static readonly Setting MongoDatabase = new("LETTERBOX_MONGODB_DATABASE", null,
        "(that of the connection string, or letterbox)", "database in MongoDB");

    public static readonly Setting MongoCollection = new("LETTERBOX_MONGODB_COLLECTION", null, "messages",
        "collection in MongoDB");

    public static readonly Setting JournalKeep = new("LETTERBOX_JOURNAL_KEEP", null, "7d",
        "how long delivered messages stay in the journal: 90s, 30m, 12h, 7d");

    public static readonly Setting JournalMax = new("LETTERBOX_JOURNAL_MAX", null,
        "(none: limited by the disk)",
        "maximum size of the journal, such as 10GiB; when it is full, new messages have to wait");

    public static readonly Setting DiskReserve = new("LETTERBOX_DISK_RESERVE", null,
        "(64MiB, at most a tenth of the disk)",
        "free space to keep on the journal's disk; below it, new messages have to wait");

    public static readonly Setting ClientRate = new("LETTERBOX_CLIENT_RATE", null, "1MiB",
        "bytes of messages that one address (IPv6: /64) may send per second over HTTP; off: no limit");

    public static readonly Setting Log = new("LETTERBOX_LOG", null, "information",
        "lowest level that is logged: trace, debug, information, warning, error, critical, none");

    // Not a setting: marks the processes that a supervisor starts.
    public const string Supervised = "LETTERBOX_SUPERVISED";

    // In the order of the help.
    public static readonly IReadOnlyList<Setting> All =
    [
        Http, Socket, TrustedProxies, Network, TlsCertificate, TlsKey, TlsAuthority, Data, Site, MongoUri,
        MongoUriFile, MongoDatabase, MongoCollection, JournalKeep, JournalMax, DiskReserve, ClientRate, Log,
    ];
}
