// Every setting there is, read once at start, checked, and passed down unchanged. An option beats its
// variable.

using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;

namespace Letterbox.Configuration;

/// <summary>A setting that cannot be used; the text names it and what was expected.</summary>
public sealed class SettingsException(string message) : Exception(message);

/// <summary>The settings of this process. Immutable.</summary>
public sealed record Settings
{
    private delegate bool Parse<T>(string text, [MaybeNullWhen(false)] out T value);

    /// <summary>Address of the HTTP server.</summary>
    public Address Http { get; init; } = new("*", 3000);

    /// <summary>
    /// For the web process: where the store processes are, one at least.
    /// </summary>
    public IReadOnlyList<Address> Stores { get; init; } = [new("127.0.0.1", 5000)];

    /// <summary>Address of the socket server: the first of <see cref="Stores"/>.</summary>
    public Address Socket
    {
        get => Stores[0];
        init => Stores = [value];
    }

    /// <summary>The proxies in front of the HTTP server.</summary>
    internal TrustedProxies TrustedProxies { get; init; } = TrustedProxies.None;

    /// <summary>Everyone who can reach the socket server may leave messages there.</summary>
    public bool NetworkIsPrivate { get; init; }

    /// <summary>File with the certificate of this process; <c>null</c>: no TLS.</summary>
    public string? TlsCertificate { get; init; }

    /// <summary>File with its key; set together with <see cref="TlsCertificate"/>.</summary>
    public string? TlsKey { get; init; }

    /// <summary>File with the CA of the other side; <c>null</c>: it has the same certificate.</summary>
    public string? TlsAuthority { get; init; }

    /// <summary>Folder of the journal.</summary>
    public string Data { get; init; } = "./data";

    /// <summary>Folder with one's own pages; <c>null</c>: the pages that are built in.</summary>
    public string? Site { get; init; }

    /// <summary>
    /// MongoDB connection string; <c>null</c>: the journal is the store. Holds a password: never print it.
    /// </summary>
    public string? MongoUri { get; init; }

    /// <summary>File that <see cref="MongoUri"/> came from; <c>null</c>: it came from no file.</summary>
    public string? MongoUriFile { get; init; }

    /// <summary>Database of the messages in MongoDB.</summary>
    public string? MongoDatabase { get; init; }

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

    /// <summary>
    /// Bytes of messages per second that one address may leave; loopback and trusted proxies have no bound.
    /// <c>null</c>: no bound for any client.
    /// </summary>
    public long? ClientRate { get; init; } = 1 << 20;

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
        var source = new Source(lookup, spelled ?? (variable => variable));
        string? mongoUriFile = source.Text(Setting.MongoUriFile);
        string? certificate = source.Text(Setting.TlsCertificate), key = source.Text(Setting.TlsKey);
        string? authority = source.Text(Setting.TlsAuthority);
        if ((certificate is null) != (key is null) || (authority is not null && key is null))
            throw source.NotTogether(Setting.TlsCertificate, Setting.TlsKey);
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
        };
    }

    /// <summary>
    /// Checks what a store process must not get wrong: one address, and not one that unauthenticated clients
    /// can reach.
    /// </summary>
    /// <exception cref="SettingsException">It is wrong; the text names what to set.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">The name of its address is not known.</exception>
    public void CheckForStore()
    {
        if (Stores.Count > 1)
        {
            throw new SettingsException(
                $"{Setting.Socket.Variable} names {Stores.Count} addresses: only web and send take several, "
                + "a store process listens on one");
        }

        if (TlsCertificate is not null || NetworkIsPrivate || Socket.IsLoopback()) return;
        throw new SettingsException(
            $"{Setting.Socket.Variable} is \"{Socket}\": not this machine alone can reach that. Set "
            + $"{Setting.TlsCertificate.Variable} for TLS with certificates, or {Setting.Network.Variable}="
            + "private when everyone on that network may leave messages");
    }

    /// <summary>
    /// The variables that make another process read these same settings; <c>null</c>: not to be set. Secrets
    /// are in it.
    /// </summary>
    public IReadOnlyDictionary<string, string?> ToVariables() => new Dictionary<string, string?>
    {
        [Setting.Http.Variable] = Http.ToString(),
        [Setting.Socket.Variable] = string.Join(',', Stores),
        [Setting.TrustedProxies.Variable] =
            TrustedProxies == TrustedProxies.None ? null : TrustedProxies.ToString(),
        [Setting.Network.Variable] = NetworkIsPrivate ? "private" : "public",
        [Setting.TlsCertificate.Variable] = TlsCertificate,
        [Setting.TlsKey.Variable] = TlsKey,
        [Setting.TlsAuthority.Variable] = TlsAuthority,
        [Setting.Data.Variable] = Data,
        [Setting.Site.Variable] = Site,
        [Setting.MongoUri.Variable] = MongoUriFile is null ? MongoUri : null,
        [Setting.MongoUriFile.Variable] = MongoUriFile,
        [Setting.MongoDatabase.Variable] = MongoDatabase,
        [Setting.MongoCollection.Variable] = MongoCollection,
        [Setting.JournalKeep.Variable] = Duration.Spell(JournalKeep),
        [Setting.JournalMax.Variable] = JournalMax is { } max ? ByteSize.Spell(max) : null,
        [Setting.DiskReserve.Variable] = DiskReserve is { } reserve ? ByteSize.Spell(reserve) : null,
        [Setting.ClientRate.Variable] = ClientRate is { } rate ? ByteSize.Spell(rate) : "off",
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
        var values = new Dictionary<string, string?>(shown.ToVariables())
        {
            [Setting.MongoUri.Variable] = shown.MongoUri,
        };
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

    private static string? MongoUriOf(Source source, string? file)
    {
        const string expected = "mongodb://host or mongodb+srv://host";
        // A connection string holds a password, however badly it is written: it is not shown.
        string? uri = source.Get<string?>(Setting.MongoUri, null, MongoAddress, expected, show: false);
        if (file is null) return uri;
        if (uri is not null) throw source.BothSet(Setting.MongoUri, Setting.MongoUriFile);
        return source.Content<string?>(Setting.MongoUriFile, file, MongoAddress, expected);
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

    // Where settings come from, and how a wrong one is spoken of.
    private sealed class Source(Func<string, string?> lookup, Func<string, string> spelled)
    {
        public string? Text(Setting setting) =>
            lookup(setting.Variable) is { Length: > 0 } text ? text : null;

        public T Get<T>(Setting setting, T defaults, Parse<T> parse, string expected, bool show = true)
        {
            if (Text(setting) is not { } text) return defaults;
            if (parse(text, out T? value)) return value;
            string shown = show ? $"\"{text}\"" : "not what it should be";
            throw new SettingsException($"{Name(setting)} is {shown}: expected {expected}");
        }

        public T Content<T>(Setting setting, string path, Parse<T> parse, string expected)
        {
            string? failure = Letterbox.Configuration.SecretFile.Read(path, out string content);
            if (failure is null && parse(content, out T? value)) return value;
            failure ??= $"its content is not what it should be: expected {expected}";
            throw new SettingsException($"{Name(setting)} is \"{path}\": {failure}");
        }

        public SettingsException BothSet(Setting one, Setting other) =>
            new($"{Name(one)} and {Name(other)} are both set: expected one of them");

        public SettingsException NotTogether(Setting one, Setting other) =>
            new($"{Name(one)} and {Name(other)} belong together: expected both or none");

        private string Name(Setting setting) => spelled(setting.Variable);
    }
}
