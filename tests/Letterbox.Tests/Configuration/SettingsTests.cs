// The settings: the table that people read, the values that processes get, and what is said of wrong ones.

using Letterbox.Configuration;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Configuration;

public sealed class SettingsTests
{
    [Fact]
    public void The_defaults_that_the_help_shows_are_the_defaults()
    {
        Dictionary<string, string> shown = Setting.All
            .Where(setting => !setting.Default.StartsWith('('))
            .ToDictionary(setting => setting.Variable, setting => setting.Default);
        Assert.Equal(Values(new Settings()), Values(Settings.Read(shown.GetValueOrDefault)));
        Assert.Equal(Values(new Settings()), Values(Settings.Read(_ => null)));
        Assert.Equal(Values(new Settings()), Values(Settings.Read(_ => "")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Another_process_reads_the_same_settings_from_the_variables(bool fromFiles)
    {
        using var folder = new TempFolder();
        const string uri = "mongodb://user:p%40ss@one,two/db?replicaSet=rs";
        folder.Write("uri", uri);
        var set = new Dictionary<string, string?>
        {
            ["LETTERBOX_HTTP"] = "[::1]:8080",
            ["LETTERBOX_SOCKET"] = "localhost:0, [::1]:5000",
            ["LETTERBOX_TRUSTED_PROXIES"] = "192.0.2.7, 10.0.0.0/8, fd00::/8",
            ["LETTERBOX_NETWORK"] = "private",
            ["LETTERBOX_TLS_CERT"] = fromFiles ? "/a/crt" : null,
            ["LETTERBOX_TLS_KEY"] = fromFiles ? "/a/key" : null,
            ["LETTERBOX_TLS_CA"] = fromFiles ? "/a/ca" : null,
            ["LETTERBOX_DATA"] = "/tmp/some where",
            ["LETTERBOX_SITE"] = Path.GetTempPath(),
            [fromFiles ? "LETTERBOX_MONGODB_URI_FILE" : "LETTERBOX_MONGODB_URI"] =
                fromFiles ? folder.File("uri") : uri,
            ["LETTERBOX_MONGODB_COLLECTION"] = "c",
            ["LETTERBOX_JOURNAL_KEEP"] = "90m",
            ["LETTERBOX_JOURNAL_MAX"] = "10GiB",
            ["LETTERBOX_CLIENT_RATE"] = "off",
            ["LETTERBOX_LOG"] = "Debug",
        };
        Settings settings = Settings.Read(set.GetValueOrDefault);
        Assert.Equal(Setting.All.Select(setting => setting.Variable), settings.Variables.Keys);
        Settings read = Settings.Read(settings.Variables.GetValueOrDefault);
        Assert.Equal(Values(settings), Values(read));
        Assert.Equal(uri, read.MongoUri);
        Assert.Null(read.ClientRate);
        Assert.Equal(fromFiles, settings.Variables[Setting.MongoUri.Variable] is null);
    }

    [Theory]
    [InlineData("LETTERBOX_HTTP", "3000", "host:port")]
    [InlineData("LETTERBOX_HTTP", "localhost:70000", "host:port")]
    [InlineData("LETTERBOX_SOCKET", "a b:1", "host:port")]
    [InlineData("LETTERBOX_SOCKET", "a:1,", "host:port")]
    [InlineData("LETTERBOX_SOCKET", "a:1,b", "host:port")]
    [InlineData("LETTERBOX_TRUSTED_PROXIES", "proxy.example", "such as 192.0.2.7, 10.0.0.0/8")]
    [InlineData("LETTERBOX_TRUSTED_PROXIES", "10.0.0.0/33", "addresses and networks")]
    [InlineData("LETTERBOX_TRUSTED_PROXIES", "10.0.0.1,", "addresses and networks")]
    [InlineData("LETTERBOX_TRUSTED_PROXIES", "10/8", "addresses and networks")]
    [InlineData("LETTERBOX_TRUSTED_PROXIES", "10", "addresses and networks")]
    [InlineData("LETTERBOX_TRUSTED_PROXIES", "::ffff:10.0.0.0/104", "addresses and networks")]
    [InlineData("LETTERBOX_NETWORK", "trusted", "public or private")]
    [InlineData("LETTERBOX_MONGODB_URI_FILE", "/no/such/file", "it cannot be read: ")]
    [InlineData("LETTERBOX_MONGODB_URI_FILE", "/", "it cannot be read: ")]
    [InlineData("LETTERBOX_MONGODB_URI_FILE", "/dev/null", "it is empty")]
    [InlineData("LETTERBOX_MONGODB_URI_FILE", "/dev/zero", "more than 65536 bytes")]
    [InlineData("LETTERBOX_SITE", "/no/such/folder", "a folder that exists")]
    [InlineData("LETTERBOX_MONGODB_URI", "localhost:27017", "mongodb://host")]
    [InlineData("LETTERBOX_JOURNAL_KEEP", "7", "such as")]
    [InlineData("LETTERBOX_JOURNAL_KEEP", "d", "such as")]
    [InlineData("LETTERBOX_JOURNAL_KEEP", "-1d", "such as")]
    [InlineData("LETTERBOX_JOURNAL_KEEP", "NaNd", "such as")]
    [InlineData("LETTERBOX_JOURNAL_KEEP", "36501d", "such as")]
    [InlineData("LETTERBOX_JOURNAL_MAX", "10", "such as")]
    [InlineData("LETTERBOX_DISK_RESERVE", "64MB", "such as")]
    [InlineData("LETTERBOX_LOG", "loud", "warning")]
    [InlineData("LETTERBOX_LOG", "3", "warning")]
    public void A_wrong_value_is_named_with_what_was_expected(string variable, string value, string expected)
    {
        string? Only(string name) => name == variable ? value : null;
        SettingsException failure = Assert.Throws<SettingsException>(() => Settings.Read(Only));
        Assert.StartsWith($"{variable} is ", failure.Message, StringComparison.Ordinal);
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        failure = Assert.Throws<SettingsException>(() => Settings.Read(Only, _ => "--option"));
        Assert.StartsWith("--option is ", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("LETTERBOX_MONGO_URI", "LETTERBOX_MONGODB_URI")]
    [InlineData("LETTERBOX_MONGODB_URL", "LETTERBOX_MONGODB_URI")]
    [InlineData("LETTERBOX_MONGODB_DB", "LETTERBOX_MONGODB_DATABASE")]
    [InlineData("LETTERBOX_HTTP_PORT", "LETTERBOX_HTTP")]
    [InlineData("LETTERBOX_SOCKET_PORT", "LETTERBOX_SOCKET")]
    [InlineData("LETTERBOX_DATA_DIR", "LETTERBOX_DATA")]
    [InlineData("LETTERBOX_LOG_LEVEL", "LETTERBOX_LOG")]
    [InlineData("letterbox_http", "LETTERBOX_HTTP")]
    [InlineData("LETTERBOX_", null)]
    [InlineData("LETTERBOX_QQQQQQQQ", null)]
    public void An_unknown_variable_is_rejected_with_the_nearest_setting(string name, string? nearest)
    {
        string failure = Assert.Throws<SettingsException>(
            () => UnknownVariables.Check([KeyValuePair.Create(name, "")])).Message;
        string hint = nearest is null ? "letterbox --help lists them" : $"did you mean {nearest}?";
        Assert.Equal($"{name} is not a setting; {hint}", failure);
    }

    [Theory]
    [InlineData("LETTERBOX_PORT=tcp://10.0.0.7:3000")]
    [InlineData("LETTERBOX_PORT_3000_TCP=tcp://10.0.0.7:3000")]
    [InlineData("LETTERBOX_PORT_3000_TCP_PROTO=tcp")]
    [InlineData("LETTERBOX_PORT_3000_TCP_PORT=3000")]
    [InlineData("LETTERBOX_PORT_5000_UDP_ADDR=10.0.0.7")]
    [InlineData("LETTERBOX_SERVICE_HOST=10.0.0.7")]
    [InlineData("LETTERBOX_SERVICE_PORT=3000")]
    [InlineData("LETTERBOX_SERVICE_PORT_HTTP=3000")]
    [InlineData("LETTERBOX_WEB_SERVICE_HOST=10.0.0.7")]
    [InlineData("LETTERBOX_WEB_PORT=tcp://10.0.0.7:3000")]
    [InlineData("LETTERBOX_WEB_PORT_3000_TCP_ADDR=10.0.0.7")]
    [InlineData("LETTERBOX_NAME=/web/letterbox")]
    [InlineData("LETTERBOX_ENV_PATH=/usr/bin")]
    [InlineData("LETTERBOX_TEST_MONGODB_URI=mongodb://host")]
    [InlineData("LETTERBOX_PERF_BUILD=/tmp/build")]
    [InlineData("LETTERBOX_SIMULATION_SEED=7")]
    [InlineData("LETTERBOX_SUPERVISED=1")]
    [InlineData("LETTERBOX_HTTP=anything")]
    [InlineData("LETTERBOXES=1")]
    public void What_is_made_for_a_service_of_that_name_is_ignored(string variable)
    {
        string[] parts = variable.Split('=', 2);
        UnknownVariables.Check([KeyValuePair.Create(parts[0], parts[1])]);
    }

    [Theory]
    [InlineData("LETTERBOX_PORT", "8080")]
    [InlineData("LETTERBOX_WEB_PORT", "8080")]
    [InlineData("LETTERBOX_NAME", "box")]
    public void What_only_resembles_such_a_variable_is_rejected(string name, string value) =>
        Assert.Throws<SettingsException>(() => UnknownVariables.Check([KeyValuePair.Create(name, value)]));

    [Theory]
    [InlineData("LETTERBOX_DATA", "/data\r", "LETTERBOX_DATA is \"/data\\r\": expected no control")]
    [InlineData("LETTERBOX_LOG", "debug\r", "LETTERBOX_LOG is \"debug\\r\": expected no control")]
    [InlineData("LETTERBOX_MONGODB_DATABASE", "a\nb", "is \"a\\nb\": expected no control")]
    [InlineData("LETTERBOX_MONGODB_URI", "mongodb://u:secret@h\r", "is \"...\\r\": expected no control")]
    [InlineData("LETTERBOX_MONGODB_URI", "mongodb://u:sec\u001bret@h", "is \"...\": expected no control")]
    public void A_control_character_is_shown_and_rejected(string variable, string value, string expected)
    {
        string failure = Assert.Throws<SettingsException>(
            () => Settings.Read(name => name == variable ? value : null)).Message;
        Assert.Contains(expected, failure, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", failure, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mongodb://host/one", "one", true)]
    [InlineData("mongodb://host/o%6Ee?w=1", "one", true)]
    [InlineData("mongodb://host/?w=1", "two", true)]
    [InlineData("mongodb://host", "two", true)]
    [InlineData("mongodb://host?appName=a/b", "two", true)]
    [InlineData("mongodb://u:p@host,other/one?w=1", "two", false)]
    [InlineData("mongodb+srv://u:p@host/one", "two", false)]
    public void The_database_is_named_once_or_twice_the_same(string uri, string database, bool allowed)
    {
        var variables = new Dictionary<string, string?>
        {
            ["LETTERBOX_MONGODB_URI"] = uri,
            ["LETTERBOX_MONGODB_DATABASE"] = database,
        };
        Exception? failure = Record.Exception(() => Settings.Read(variables.GetValueOrDefault));
        Assert.Equal(allowed, failure is null);
        if (!allowed)
        {
            Assert.Equal(
                "LETTERBOX_MONGODB_URI and LETTERBOX_MONGODB_DATABASE name different databases, \"one\" and "
                + "\"two\": expected the same, or only one",
                failure?.Message);
        }
    }

    [Theory]
    [InlineData("7d", 7 * 86400)]
    [InlineData("12h", 12 * 3600)]
    [InlineData("1.5m", 90)]
    [InlineData("0s", 0)]
    [InlineData("36500d", 36500L * 86400)]
    public void Durations_have_a_unit(string text, long seconds) =>
        Assert.Equal(
            TimeSpan.FromSeconds(seconds),
            Settings.Read(name => name == "LETTERBOX_JOURNAL_KEEP" ? text : null).JournalKeep);

    [Theory]
    [InlineData("mongodb://host", "mongodb://host")]
    [InlineData("mongodb://user:secret@host:27017/db?x=y", "mongodb://host:27017")]
    [InlineData("mongodb+srv://user:sec@ret@host", "mongodb+srv://host")]
    [InlineData("mongodb://one,two?authSource=secret", "mongodb://one,two")]
    [InlineData("mongodb://user:sec/ret@host/db", "mongodb://...")]
    [InlineData("mongodb://user:s@sec/ret@host/db", "mongodb://...")]
    [InlineData("mongodb://host/?tlsCertificateKeyFilePassword=@secret", "mongodb://...")]
    [InlineData("mongodb://", "mongodb://")]
    public void A_connection_string_is_shown_without_itSecrets(string uri, string shown)
    {
        Assert.Equal(shown, Settings.WithoutSecrets(uri));
        Assert.DoesNotContain(
            "secret", string.Concat(new Settings { MongoUri = uri }.Describe()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_connection_string_is_not_shown_at_all() =>
        Assert.DoesNotContain(
            "secret",
            Assert.Throws<SettingsException>(() => Settings.Read(
                name => name == "LETTERBOX_MONGODB_URI" ? "user:secret@host" : null)).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData("mongodb://user:pass@host", "mongodb://user:pass@host")]
    [InlineData("mongodb://host\n", "mongodb://host")]
    [InlineData("mongodb://host\r\n", "mongodb://host")]
    [InlineData("mongodb://host/?x= \n\n", "mongodb://host/?x= \n")]
    public void The_connection_string_may_come_from_a_file_less_its_line_end(string content, string uri)
    {
        using var folder = new TempFolder();
        folder.Write("uri", content);
        string file = folder.File("uri");
        var variables = new Dictionary<string, string?> { ["LETTERBOX_MONGODB_URI_FILE"] = file };
        Settings settings = Settings.Read(variables.GetValueOrDefault);
        Assert.Equal(uri, settings.MongoUri);
        Assert.Contains("LETTERBOX_MONGODB_URI=mongodb://host", settings.Describe());
        Assert.Contains($"LETTERBOX_MONGODB_URI_FILE={file}", settings.Describe());

        variables["LETTERBOX_MONGODB_URI"] = "mongodb://other";
        string Spelled(string name) => name == "LETTERBOX_MONGODB_URI" ? "--mongodb-uri" : name;
        string both = Assert.Throws<SettingsException>(
            () => Settings.Read(variables.GetValueOrDefault, Spelled)).Message;
        Assert.Equal(
            "--mongodb-uri and LETTERBOX_MONGODB_URI_FILE are both set: expected one of them", both);
    }

    [Theory]
    [InlineData("LETTERBOX_MONGODB_URI_FILE", "topsecret@host", "mongodb://host")]
    [InlineData("LETTERBOX_MONGODB_URI_FILE", "\n", "it is empty")]
    public void What_is_wrong_in_a_file_is_told_without_its_content(
        string variable, string content, string expected)
    {
        using var folder = new TempFolder();
        folder.Write("file", content);
        string? Only(string name) => name == variable ? folder.File("file") : null;
        string failure = Assert.Throws<SettingsException>(() => Settings.Read(Only)).Message;
        Assert.StartsWith($"{variable} is \"{folder.File("file")}\": ", failure, StringComparison.Ordinal);
        Assert.Contains(expected, failure, StringComparison.Ordinal);
        Assert.DoesNotContain("topsecret", failure, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1:5000")]
    [InlineData("127.8.9.1:5000")]
    [InlineData("[::1]:5000")]
    [InlineData("localhost:5000")]
    [InlineData("*:5000", "private")]
    [InlineData("192.0.2.1:5000", "private")]
    public void A_store_may_listen_where_only_this_machine_or_a_private_network_reaches_it(
        string address, string network = "public") => Read(address, network).CheckForStore();

    [Theory]
    [InlineData("*:5000")]
    [InlineData(":5000")]
    [InlineData("0.0.0.0:5000")]
    [InlineData("[::]:5000")]
    [InlineData("192.0.2.1:5000")]
    public void A_store_that_others_can_reach_needs_certificates_or_a_private_network(string address)
    {
        string failure = Assert.Throws<SettingsException>(Read(address, "public").CheckForStore).Message;
        Assert.Contains("LETTERBOX_TLS_CERT", failure, StringComparison.Ordinal);
        Assert.Contains("LETTERBOX_NETWORK=private", failure, StringComparison.Ordinal);
        (Read(address, "public") with { TlsCertificate = "/a/crt" }).CheckForStore();
    }

    [Theory]
    [InlineData("LETTERBOX_TLS_CERT")]
    [InlineData("LETTERBOX_TLS_KEY")]
    [InlineData("LETTERBOX_TLS_CA")]
    public void A_certificate_and_its_key_are_set_together(string only) => Assert.Contains(
        "LETTERBOX_TLS_CERT and LETTERBOX_TLS_KEY belong together",
        Assert.Throws<SettingsException>(() => Settings.Read(name => name == only ? "/a" : null)).Message,
        StringComparison.Ordinal);

    [Fact]
    public void A_store_listens_on_one_address() => Assert.Contains(
        "LETTERBOX_SOCKET names 2 addresses",
        Assert.Throws<SettingsException>(Read("localhost:1, localhost:2", "private").CheckForStore).Message,
        StringComparison.Ordinal);

    // The values of all properties, in words.
    private static IEnumerable<string> Values(Settings settings) =>
        from property in typeof(Settings).GetProperties()
        where property.Name != nameof(Settings.Variables)
        let value = property.GetValue(settings)
        let text = value is IEnumerable<Address> all ? string.Join(',', all) : value
        select $"{property.Name}={text}";

    private static Settings Read(string address, string network) => Settings.Read(
        name => name switch
        {
            "LETTERBOX_SOCKET" => address,
            "LETTERBOX_NETWORK" => network,
            _ => null,
        });
}
