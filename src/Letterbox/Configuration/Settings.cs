// The settings, read and checked once at start and passed down unchanged. Options override variables.

using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;

namespace Letterbox.Configuration;

// The text names the setting and what was expected.
internal sealed class SettingsException(string message) : Exception(message);

// The meaning of each is in Setting.cs.
internal sealed record Settings
{
    private delegate bool Parse<T>(string text, [MaybeNullWhen(false)] out T value);

    public Address Http { get; init; } = new("*", 3000);

    // For the web process: the store processes, at least one.
    public IReadOnlyList<Address> Stores { get; init; } = [new("127.0.0.1", 5000)];

    public Address Socket
    {
        get => Stores[0];
        init => Stores = [value];
    }

    public TrustedProxies TrustedProxies { get; init; } = TrustedProxies.None;
    public bool NetworkIsPrivate { get; init; }

    // Null: no TLS. Set together with TlsKey.
    public string? TlsCertificate { get; init; }

    public string? TlsKey { get; init; }
    public string? TlsAuthority { get; init; }

    public string Data { get; init; } = "./data";

    // Null: the built-in pages.
    public string? Site { get; init; }

    // Null: the journal is the store. May hold a password: never print it.
    public string? MongoUri { get; init; }

    // Where MongoUri was read from; null: not from a file.
    public string? MongoUriFile { get; init; }

    public string? MongoDatabase { get; init; }
    public string MongoCollection { get; init; } = "messages";
    public TimeSpan JournalKeep { get; init; } = TimeSpan.FromDays(7);

    // Null: limited by the disk.
    public long? JournalMax { get; init; }

    // Null: 64 MiB, but at most a tenth of the disk.
    public long? DiskReserve { get; init; }

    // Bytes per second; null: no limit. Loopback and trusted proxies have none.
    public long? ClientRate { get; init; } = 1 << 20;

    public LogLevel Log { get; init; } = LogLevel.Information;

    public string JournalPath => Path.Combine(Data, "letterbox.db");

    // `lookup` returns the value of a variable; null or empty: not set. `spelled` returns its name for
    // errors: the option, if that was given.
    /// <exception cref="SettingsException">A value is invalid.</exception>
    public static Settings Read(Func<string, string?> lookup, Func<string, string>? spelled = null)
    {
        var source = new Source(lookup, spelled ?? (variable => variable));
        string? mongoUriFile = source.Text(Setting.MongoUriFile);
        string? certificate = source.Text(Setting.TlsCertificate), key = source.Text(Setting.TlsKey);
        string? authority = source.Text(Setting.TlsAuthority);
        if ((certificate is null) != (key is null) || (authority is not null && key is null))
        {
            throw source.Contradiction(
                Setting.TlsCertificate, Setting.TlsKey, "belong together: expected both or none");
        }

        const string address = "host:port, such as localhost:3000, [::1]:3000 or *:3000";
        const string addresses = address + "; web and send take several, with commas";
        const string level = "trace, debug, information, warning, error, critical or none";
        var defaults = new Settings();
        return new Settings
        {
            Http = source.Get(Setting.Http, defaults.Http, Address.TryParse, address),
            Stores = source.Get(Setting.Socket, defaults.Stores, Address.TryParseList, addresses),
            TrustedProxies = source.Get(
                Setting.TrustedProxies, defaults.TrustedProxies, TrustedProxies.TryParse,
                TrustedProxies.Expected),
            NetworkIsPrivate = source.Get(Setting.Network, false, Private, "public or private"),
            TlsCertificate = certificate,
            TlsKey = key,
            TlsAuthority = authority,
            Data = source.Text(Setting.Data) ?? defaults.Data,
            Site = source.Get(Setting.Site, defaults.Site, ExistingFolder, "a folder that exists"),
            MongoUri = MongoUriOf(source, mongoUriFile),
            MongoUriFile = mongoUriFile,
            MongoDatabase = source.Text(Setting.MongoDatabase),
            MongoCollection = source.Text(Setting.MongoCollection) ?? defaults.MongoCollection,
            JournalKeep = source.Get(
                Setting.JournalKeep, defaults.JournalKeep, Duration.TryParse, Duration.Expected),
            JournalMax = source.Get(Setting.JournalMax, defaults.JournalMax, Size, ByteSize.Expected),
            DiskReserve = source.Get(Setting.DiskReserve, defaults.DiskReserve, Size, ByteSize.Expected),
            ClientRate = source.Get(
                Setting.ClientRate, defaults.ClientRate, Rate, $"off, or {ByteSize.Expected}, 1KiB or more"),
            Log = source.Get(Setting.Log, defaults.Log, Level, level),
            Variables = Setting.All.ToDictionary(static setting => setting.Variable, source.Text),
        };
    }

    // A store listens on one address, which is protected from unauthorised clients.
    /// <exception cref="SettingsException">It is not; the text says what to set.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">The host name is not known.</exception>
    public void CheckForStore()
    {
        if (Stores.Count > 1)
        {
            throw new SettingsException(
                $"{Setting.Socket.Variable} names {Stores.Count} addresses: a store process listens on one, "
                + "only web and send take several");
        }

        if (TlsCertificate is not null || NetworkIsPrivate || Socket.IsLoopback()) return;
        throw new SettingsException(
            $"{Setting.Socket.Variable} is \"{Socket}\": other machines can reach that address. Set "
            + $"{Setting.TlsCertificate.Variable} for TLS with certificates, or {Setting.Network.Variable}="
            + "private if every client on that network may send messages");
    }

    // The variables as they were read, with which another process reads the same settings; null: not set.
    // Includes secrets.
    public IReadOnlyDictionary<string, string?> Variables { get; private init; } =
        Setting.All.ToDictionary(static setting => setting.Variable, static _ => (string?)null);

    // One line for each setting, without secrets, for a log.
    public IEnumerable<string> Describe() =>
        from setting in Setting.All
        let value = setting == Setting.Data ? Path.GetFullPath(Data)
            : setting == Setting.MongoUri && MongoUri is not null ? WithoutSecrets(MongoUri)
            : Variables[setting.Variable]
        select $"{setting.Variable}={value ?? setting.Default}";

    // Scheme and hosts of a connection string, without user, password and options.
    public static string WithoutSecrets(string mongoUri)
    {
        int hosts = mongoUri.IndexOf("://", StringComparison.Ordinal) + 3;
        int length = mongoUri.AsSpan(hosts).IndexOfAny('/', '?');
        int end = length < 0 ? mongoUri.Length : hosts + length;
        // A later @ may follow a password that contains a slash: then nothing is safe to show.
        if (mongoUri.IndexOf('@', end) >= 0) return $"{mongoUri[..hosts]}...";
        int user = mongoUri.LastIndexOf('@');
        return string.Concat(mongoUri.AsSpan(0, hosts), mongoUri.AsSpan((user < 0 ? hosts : user + 1)..end));
    }

    // Control characters as escapes: text for a log or a terminal.
    public static string Printable(string text) => string.Concat(text.Select(static c =>
        !char.IsControl(c) ? $"{c}" : c == '\r' ? "\\r" : c == '\n' ? "\\n" : $"\\u{(int)c:x4}"));

    private static string? MongoUriOf(Source source, string? file)
    {
        const string expected = "mongodb://host or mongodb+srv://host";
        // Even an invalid connection string may hold a password: it is not shown.
        string? uri = source.Get<string?>(Setting.MongoUri, null, MongoAddress, expected, show: false);
        if (uri is not null && file is not null)
        {
            throw source.Contradiction(
                Setting.MongoUri, Setting.MongoUriFile, "are both set: expected one of them");
        }

        if (file is not null)
            uri = source.Content<string?>(Setting.MongoUriFile, file, MongoAddress, expected);
        string? database = source.Text(Setting.MongoDatabase);
        string path = uri is null ? "" : PathOf(uri);
        if (database is not null && path.Length > 0 && path != database)
        {
            throw source.Contradiction(
                file is null ? Setting.MongoUri : Setting.MongoUriFile, Setting.MongoDatabase,
                $"name different databases, \"{path}\" and \"{database}\": expected the same, or only one");
        }

        return uri;
    }

    // The database in a connection string.
    private static string PathOf(string mongoUri)
    {
        string hosts = mongoUri[(mongoUri.IndexOf("://", StringComparison.Ordinal) + 3)..].Split('?')[0];
        int slash = hosts.IndexOf('/', hosts.LastIndexOf('@') + 1);
        return slash < 0 ? "" : Uri.UnescapeDataString(hosts[(slash + 1)..]);
    }

    private static bool Private(string text, out bool value)
    {
        value = text is "private";
        return text is "private" or "public";
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

    private static bool Rate(string text, out long? value)
    {
        value = null;
        return text == "off" || (Size(text, out value) && value >= 1024);
    }

    private static bool Level(string text, out LogLevel value) =>
        Enum.TryParse(text, ignoreCase: true, out value)
        && Enum.IsDefined(value)
        && char.IsAsciiLetter(text[0]); // not a number

    // Looks values up and names the setting in errors.
    private sealed class Source(Func<string, string?> lookup, Func<string, string> spelled)
    {
        /// <exception cref="SettingsException">It has a control character.</exception>
        public string? Text(Setting setting)
        {
            if (lookup(setting.Variable) is not { Length: > 0 } text) return null;
            if (!text.Any(char.IsControl)) return text;
            // A connection string may hold a password: then only the end is shown.
            string shown = setting != Setting.MongoUri ? Printable(text)
                : char.IsControl(text[^1]) ? $"...{Printable(text[^1..])}" : "...";
            throw new SettingsException(
                $"{Name(setting)} is \"{shown}\": expected no control characters; "
                + "\\r is the end of a line in a file from Windows");
        }

        public T Get<T>(Setting setting, T defaults, Parse<T> parse, string expected, bool show = true)
        {
            if (Text(setting) is not { } text) return defaults;
            if (parse(text, out T? value)) return value;
            string shown = show ? $"\"{text}\"" : "invalid";
            throw new SettingsException($"{Name(setting)} is {shown}: expected {expected}");
        }

        public T Content<T>(Setting setting, string path, Parse<T> parse, string expected)
        {
            bool isRead = SecretFile.TryRead(path, out string content, out string error);
            if (isRead && parse(content, out T? value)) return value;
            if (isRead) error = $"its content is invalid: expected {expected}";
            throw new SettingsException($"{Name(setting)} is \"{path}\": {error}");
        }

        public SettingsException Contradiction(Setting one, Setting other, string problem) =>
            new($"{Name(one)} and {Name(other)} {problem}");

        private string Name(Setting setting) => spelled(setting.Variable);
    }
}
