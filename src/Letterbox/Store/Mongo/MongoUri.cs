// The connection string: parsed by the driver, checked for options that the driver ignores, completed, and
// never quoted.
//
//     mongodb://user:password@host:27017,host2/database?option=value&option=value
//     mongodb+srv://user:password@name/...                               the hosts are looked up in DNS

using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using Letterbox.Messages;
using MongoDB.Driver;
using MongoDB.Driver.Core.Configuration;

namespace Letterbox.Store.Mongo;

// A valid connection string. No DNS name has been resolved for it.
internal sealed partial class MongoUri
{
    private const string CaFile = "tlsCAFile";
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    private readonly MongoUrl _url;
    private readonly ConnectionString _options;
    private readonly X509Certificate2Collection? _roots;

    // database: LETTERBOX_MONGODB_DATABASE, if it is set.
    public MongoUri(string text, string? database)
    {
        // A password with a slash looks like a host and a path: then no part can be quoted safely.
        int authority = text.IndexOf("://", StringComparison.Ordinal) + 3;
        int end = text.AsSpan(authority).IndexOfAny('/', '?');
        if (end >= 0 && text.IndexOf('@', authority + end) >= 0) throw Reject(Escaping);
        try
        {
            (_url, _options) = (new MongoUrl(text), new ConnectionString(text));
        }
        catch (Exception e) when (e is MongoException or ArgumentException or FormatException)
        {
            string reason = Quoted().Replace(e.Message, "...");
            throw Reject(reason.EndsWith("is not valid.", StringComparison.Ordinal)
                ? $"{reason} {Escaping}"
                : reason);
        }

        foreach (string option in _options.AllUnknownOptionNames)
        {
            if (!option.Equals(CaFile, StringComparison.OrdinalIgnoreCase))
                throw Reject($"it has the option {option}, which MongoDB's .NET driver does not know");
        }

        Database = DatabaseOf(_url.DatabaseName, database);
        _roots = ReadRoots();
    }

    private const string Escaping =
        "In a user name or password : / ? # [ ] @ and % are written as % and two hex digits, @ as %40";

    public string Database { get; }

    // For an SRV name this reads the options from DNS, which may fail.
    public MongoClientSettings ToClientSettings()
    {
        var settings = MongoClientSettings.FromUrl(_url);
        settings.ApplicationName ??= "letterbox";
        // The relay itself retries, with the same keys, and has to know of every attempt.
        (settings.RetryReads, settings.RetryWrites, settings.MaxAdaptiveRetries) = (false, false, 0);
        // Clients with equal settings share connections, but this store closes its own. A delegate that
        // captures something equals no other.
        settings.ClusterConfigurator = _ => GC.KeepAlive(this);
        // The relay must soon detect that MongoDB is down, and that it is up again.
        if (IsUnset("serverSelectionTimeout")) settings.ServerSelectionTimeout = TimeSpan.FromSeconds(5);
        if (IsUnset("connectTimeout")) settings.ConnectTimeout = TimeSpan.FromSeconds(5);
        if (IsUnset("socketTimeout")) settings.SocketTimeout = TimeSpan.FromSeconds(10);
        if (IsUnset("heartbeat")) settings.HeartbeatInterval = TimeSpan.FromSeconds(1);
        if (_roots is null) return settings;
        settings.UseTls = true;
        settings.SslSettings = new SslSettings
        {
            CheckCertificateRevocation = false, // a private authority publishes no lists
            ServerCertificateValidationCallback = (_, certificate, chain, errors) =>
                Verify(certificate, chain, errors),
        };
        return settings;
    }

    private static string DatabaseOf(string? inUri, string? set)
    {
        if (inUri is null) return set ?? "letterbox";
        if (set is not null && set != inUri)
        {
            throw Reject(
                "its path names another database than LETTERBOX_MONGODB_DATABASE; the database of the login "
                + "is ?authSource=");
        }

        // Often this is the database of the login, which must not hold messages.
        if (set is null && inUri is "admin" or "config" or "local")
            throw Reject($"its path names MongoDB's own database {inUri}; write /?authSource={inUri}");
        return inUri;
    }

    private bool IsUnset(string option) =>
        !_options.AllOptionNames.Any(name => name.StartsWith(option, StringComparison.OrdinalIgnoreCase));

    private X509Certificate2Collection? ReadRoots()
    {
        if (_options.GetOption(CaFile) is not { } path) return null;
        if (_options.Tls is false) throw Reject($"{CaFile} and tls=false contradict each other");
        if (_url.AllowInsecureTls) throw Reject($"{CaFile} and tlsInsecure=true contradict each other");
        var roots = new X509Certificate2Collection();
        try
        {
            roots.ImportFromPemFile(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw Reject($"{CaFile} cannot be read: {e.Message}");
        }

        return roots.Count > 0 ? roots : throw Reject($"{CaFile} holds no certificate in PEM form");
    }

    // The platform has already checked the host name; its trusted roots do not count here.
    private bool Verify(X509Certificate? certificate, X509Chain? sent, SslPolicyErrors errors)
    {
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            throw new AuthenticationException("the server's certificate is for another host name");
        if (certificate is not X509Certificate2 leaf)
            throw new AuthenticationException("the server has no certificate");
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(_roots!);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        if (sent is not null) chain.ChainPolicy.ExtraStore.AddRange(sent.ChainPolicy.ExtraStore);
        if (chain.Build(leaf)) return true;
        string status = chain.ChainStatus.FirstOrDefault().StatusInformation;
        throw new AuthenticationException($"the server's certificate is not valid under {CaFile}: {status}");
    }

    private static StoreException Reject(string reason) =>
        new($"LETTERBOX_MONGODB_URI cannot be used: {reason}");

    // What the driver quotes: in a malformed connection string any part may be the password.
    [GeneratedRegex("""
        ['"].*['"]|(?<=value of ).*
        """, RegexOptions.Singleline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Quoted();
}
