// Every setting there is, read once at start, checked, and passed down unchanged. An option beats its
// variable.

using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;

namespace Letterbox;

/// <summary>A setting that cannot be used; the text names it and says what was expected.</summary>
public sealed class SettingsException(string message) : Exception(message);

/// <summary>What this process was told. Immutable.</summary>
public sealed record Settings
{
    private delegate bool Parse<T>(string text, [MaybeNullWhen(false)] out T value);

    /// <summary>Address of the HTTP server.</summary>
    public Address Http { get; init; } = new("*", 3000);

    /// <summary>
    /// Address of the socket server, TCP and UDP; for the web process: where the store process is.
    /// </summary>
    public Address Socket { get; init; } = new("127.0.0.1", 5000);

    /// <summary>Folder of the journal.</summary>
    public string Data { get; init; } = "./data";

    /// <summary>Folder with one's own pages; <c>null</c>: the pages that are built in.</summary>
    public string? Site { get; init; }

    /// <summary>
    /// MongoDB connection string; <c>null</c>: the journal is the store. Holds a password: never print it.
    /// </summary>
    public string? MongoUri { get; init; }

    /// <summary>Database of the messages in MongoDB.</summary>
    public string MongoDatabase { get; init; } = "letterbox";

    /// <summary>Collection of the messages in MongoDB.</summary>
    public string MongoCollection { get; init; } = "messages";

    /// <summary>How long messages that MongoDB has stay in the journal too.</summary>
    public TimeSpan JournalKeep { get; init; } = TimeSpan.FromDays(7);

    /// <summary>
    /// Bytes that the journal may hold; beyond, new messages wait. <c>null</c>: only the disk is a bound.
    /// </summary>
    public long? JournalMax { get; init; }

    /// <summary>
    /// Bytes that are to stay free on the journal's disk; below, new messages wait. <c>null</c>: 64 MiB, but
    /// no more than a tenth of the disk.
    /// </summary>
    public long? DiskReserve { get; init; }

    /// <summary>Log lines below this level are not written.</summary>
    public LogLevel Log { get; init; } = LogLevel.Information;

    /// <summary>The journal itself.</summary>
    public string JournalPath => Path.Combine(Data, "letterbox.db");

    /// <summary>Reads the settings.</summary>
    /// <param name="lookup">
    /// Gives the value of a variable of <see cref="Setting.All"/>, such as <c>LETTERBOX_HTTP</c>; <c>null</c>
    /// or empty when it is not set.
    /// </param>
    /// <param name="spelled">
    /// How the person spelled that variable, for errors: an option's name; by default the variable.
    /// </param>
    /// <exception cref="SettingsException">A value is wrong; the text names the setting.</exception>
    public static Settings Read(Func<string, string?> lookup, Func<string, string>? spelled = null)
    {
        T Get<T>(Setting setting, T otherwise, Parse<T> parse, string expected)
        {
            if (lookup(setting.Variable) is not { Length: > 0 } text) return otherwise;
            if (parse(text, out T? value)) return value;
            string name = spelled is null ? setting.Variable : spelled(setting.Variable);
            // A connection string holds a password, however badly it is written.
            string shown = setting == Setting.MongoUri ? "not a connection string" : $"\"{text}\"";
            throw new SettingsException($"{name} is {shown}: expected {expected}");
        }

        const string address = "host:port, such as localhost:3000, [::1]:3000 or *:3000";
        const string connectionString = "mongodb://host or mongodb+srv://host";
        const string level = "trace, debug, information, warning, error, critical or none";
        var settings = new Settings();
        return new Settings
        {
            Http = Get(Setting.Http, settings.Http, Address.TryParse, address),
            Socket = Get(Setting.Socket, settings.Socket, Address.TryParse, address),
            Data = Get(Setting.Data, settings.Data, AnyText, ""),
            Site = Get<string?>(Setting.Site, settings.Site, ExistingFolder, "a folder that exists"),
            MongoUri = Get<string?>(Setting.MongoUri, null, MongoAddress, connectionString),
            MongoDatabase = Get(Setting.MongoDatabase, settings.MongoDatabase, AnyText, ""),
            MongoCollection = Get(Setting.MongoCollection, settings.MongoCollection, AnyText, ""),
            JournalKeep = Get(
                Setting.JournalKeep, settings.JournalKeep, Duration.TryParse, Duration.Expected),
            JournalMax = Get<long?>(Setting.JournalMax, settings.JournalMax, Size, ByteSize.Expected),
            DiskReserve = Get<long?>(Setting.DiskReserve, settings.DiskReserve, Size, ByteSize.Expected),
            Log = Get(Setting.Log, settings.Log, Level, level),
        };
    }

    /// <summary>
    /// The variables that make another process read these same settings; <c>null</c>: not to be set. Secrets
    /// are in it.
    /// </summary>
    public IReadOnlyDictionary<string, string?> ToVariables() => new Dictionary<string, string?>
    {
        [Setting.Http.Variable] = Http.ToString(),
        [Setting.Socket.Variable] = Socket.ToString(),
        [Setting.Data.Variable] = Data,
        [Setting.Site.Variable] = Site,
        [Setting.MongoUri.Variable] = MongoUri,
        [Setting.MongoDatabase.Variable] = MongoDatabase,
        [Setting.MongoCollection.Variable] = MongoCollection,
        [Setting.JournalKeep.Variable] = Duration.Spell(JournalKeep),
        [Setting.JournalMax.Variable] = JournalMax is { } max ? ByteSize.Spell(max) : null,
        [Setting.DiskReserve.Variable] = DiskReserve is { } reserve ? ByteSize.Spell(reserve) : null,
        [Setting.Log.Variable] = Log.ToString(),
    };

    /// <summary>The settings as lines for a log: one each, secrets left out.</summary>
    public IEnumerable<string> Describe()
    {
        Settings shown = this with
        {
            Data = Path.GetFullPath(Data),
            MongoUri = MongoUri is null ? null : WithoutSecrets(MongoUri),
        };
        IReadOnlyDictionary<string, string?> values = shown.ToVariables();
        return Setting.All.Select(one => $"{one.Variable}={values[one.Variable] ?? one.Default}");
    }

    /// <summary>
    /// A connection string fit for a log: scheme and hosts, without user, password and options.
    /// </summary>
    public static string WithoutSecrets(string mongoUri)
    {
        int hosts = mongoUri.IndexOf("://", StringComparison.Ordinal) + 3;
        int length = mongoUri.AsSpan(hosts).IndexOfAny('/', '?');
        int end = length < 0 ? mongoUri.Length : hosts + length;
        // An @ further on may be a password with a slash in it, cut in two: then nothing is safe to show.
        if (mongoUri.IndexOf('@', end) >= 0) return $"{mongoUri[..hosts]}...";
        int user = mongoUri.LastIndexOf('@');
        return string.Concat(mongoUri.AsSpan(0, hosts), mongoUri.AsSpan((user < 0 ? hosts : user + 1)..end));
    }

    private static bool AnyText(string text, out string value)
    {
        value = text;
        return true;
    }

    private static bool ExistingFolder(string text, out string? value)
    {
        value = text;
        return Directory.Exists(text);
    }

    private static bool MongoAddress(string text, out string? value)
    {
        value = text;
        return text.StartsWith("mongodb://", StringComparison.Ordinal)
            || text.StartsWith("mongodb+srv://", StringComparison.Ordinal);
    }

    private static bool Size(string text, out long? value)
    {
        bool size = ByteSize.TryParse(text, out long bytes);
        value = bytes;
        return size;
    }

    private static bool Level(string text, out LogLevel value) =>
        Enum.TryParse(text, ignoreCase: true, out value)
        && Enum.IsDefined(value)
        && char.IsAsciiLetter(text[0]); // not a number
}
