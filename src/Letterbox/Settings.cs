// Every setting there is, read once at start, checked, and passed down unchanged. An option beats its environment variable.

using System.Globalization;

namespace Letterbox;

/// <summary>A setting that cannot be used; the text names it and says what was expected.</summary>
public sealed class SettingsException(string message) : Exception(message);

/// <summary>What this process was told. Immutable.</summary>
public sealed record Settings
{
    /// <summary>Address of the HTTP server.</summary>
    public Address Http { get; init; } = new("*", 3000);

    /// <summary>Address of the socket server, TCP and UDP; for the web process: where the store process is.</summary>
    public Address Socket { get; init; } = new("127.0.0.1", 5000);

    /// <summary>Folder of the journal.</summary>
    public string Data { get; init; } = "data";

    /// <summary>Folder with one's own pages; <c>null</c>: the pages that are built in.</summary>
    public string? Site { get; init; }

    /// <summary>MongoDB connection string; <c>null</c>: the journal is the store. Holds a password: never print it.</summary>
    public string? MongoUri { get; init; }

    /// <summary>Database of the messages in MongoDB.</summary>
    public string MongoDatabase { get; init; } = "letterbox";

    /// <summary>Collection of the messages in MongoDB.</summary>
    public string MongoCollection { get; init; } = "messages";

    /// <summary>How long messages that MongoDB has stay in the journal too.</summary>
    public TimeSpan JournalKeep { get; init; } = TimeSpan.FromDays(7);

    /// <summary>The journal itself.</summary>
    public string JournalPath => Path.Combine(Data, "letterbox.db");

    /// <summary>
    /// Reads the settings. <paramref name="lookup"/> gives the value of a variable, or <c>null</c> or empty when it is not
    /// set; it is asked for each name of the table in DESIGN, such as <c>LETTERBOX_HTTP</c>.
    /// </summary>
    /// <exception cref="SettingsException">A value is wrong; the text names the variable.</exception>
    public static Settings Read(Func<string, string?> lookup)
    {
        string? Get(string name) => lookup(name) is { Length: > 0 } value ? value : null;
        Address At(string name, Address otherwise) =>
            Get(name) is not { } text ? otherwise
            : Address.TryParse(text, out Address? address) ? address
            : throw new SettingsException($"{name} is \"{text}\": expected host:port, such as {otherwise}");

        var settings = new Settings();
        return settings with
        {
            Http = At("LETTERBOX_HTTP", settings.Http),
            Socket = At("LETTERBOX_SOCKET", settings.Socket),
            Data = Get("LETTERBOX_DATA") ?? settings.Data,
            Site = Get("LETTERBOX_SITE") is { } site ? ExistingFolder("LETTERBOX_SITE", site) : null,
            MongoUri = Get("LETTERBOX_MONGODB_URI") is { } uri ? MongoAddress("LETTERBOX_MONGODB_URI", uri) : null,
            MongoDatabase = Get("LETTERBOX_MONGODB_DATABASE") ?? settings.MongoDatabase,
            MongoCollection = Get("LETTERBOX_MONGODB_COLLECTION") ?? settings.MongoCollection,
            JournalKeep = Get("LETTERBOX_JOURNAL_KEEP") is { } keep
                ? Duration("LETTERBOX_JOURNAL_KEEP", keep)
                : settings.JournalKeep,
        };
    }

    /// <summary>The settings as lines for a log: one each, secrets left out.</summary>
    public IEnumerable<string> Describe() =>
    [
        $"LETTERBOX_HTTP={Http}",
        $"LETTERBOX_SOCKET={Socket}",
        $"LETTERBOX_DATA={Path.GetFullPath(Data)}",
        $"LETTERBOX_SITE={Site ?? "(built in)"}",
        $"LETTERBOX_MONGODB_URI={(MongoUri is null ? "(none: the journal is the store)" : WithoutSecrets(MongoUri))}",
        $"LETTERBOX_MONGODB_DATABASE={MongoDatabase}",
        $"LETTERBOX_MONGODB_COLLECTION={MongoCollection}",
        $"LETTERBOX_JOURNAL_KEEP={JournalKeep}",
    ];

    /// <summary>A connection string fit for a log: scheme and hosts, without user, password and options.</summary>
    public static string WithoutSecrets(string mongoUri)
    {
        int hosts = mongoUri.IndexOf("://", StringComparison.Ordinal) + 3;
        int end = mongoUri.AsSpan(hosts).IndexOfAny('/', '?') is >= 0 and var at ? hosts + at : mongoUri.Length;
        int user = mongoUri.LastIndexOf('@', end - 1, end - hosts);
        return string.Concat(mongoUri.AsSpan(0, hosts), mongoUri.AsSpan(user < 0 ? hosts : user + 1, end - Math.Max(hosts, user + 1)));
    }

    private static string ExistingFolder(string name, string path) =>
        Directory.Exists(path) ? path : throw new SettingsException($"{name} is \"{path}\": expected a folder that exists");

    private static string MongoAddress(string name, string uri) =>
        uri.StartsWith("mongodb://", StringComparison.Ordinal) || uri.StartsWith("mongodb+srv://", StringComparison.Ordinal)
            ? uri
            : throw new SettingsException($"{name} is not a MongoDB connection string: expected mongodb://host or mongodb+srv://host");

    private static TimeSpan Duration(string name, string text)
    {
        double unit = text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86400, _ => 0 };
        bool number = double.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double count);
        if (unit == 0 || !number || count * unit > TimeSpan.FromDays(36500).TotalSeconds)
            throw new SettingsException($"{name} is \"{text}\": expected a number and a unit, such as 7d, 12h, 30m or 90s");
        return TimeSpan.FromSeconds(count * unit);
    }
}
