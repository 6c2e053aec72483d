// The settings: the table that people read, the values that processes get, and what is said of wrong ones.

using Microsoft.Extensions.Logging;

namespace Letterbox.Tests;

public sealed class SettingsTests
{
    [Fact]
    public void The_defaults_that_the_help_shows_are_the_defaults()
    {
        Dictionary<string, string> shown = Setting.All
            .Where(setting => !setting.Default.StartsWith('('))
            .ToDictionary(setting => setting.Variable, setting => setting.Default);
        Assert.Equal(new Settings(), Settings.Read(shown.GetValueOrDefault));
        Assert.Equal(new Settings(), Settings.Read(_ => null));
        Assert.Equal(new Settings(), Settings.Read(_ => ""));
    }

    [Fact]
    public void Another_process_reads_the_same_settings_from_the_variables()
    {
        var settings = new Settings
        {
            Http = new Address("::1", 8080),
            Socket = new Address("localhost", 0),
            Data = "/tmp/some where",
            Site = Path.GetTempPath(),
            MongoUri = "mongodb://user:p%40ss@one,two/db?replicaSet=rs",
            MongoDatabase = "d",
            MongoCollection = "c",
            JournalKeep = TimeSpan.FromMinutes(90),
            JournalMax = 10L << 30,
            DiskReserve = 1 << 20,
            Log = LogLevel.Debug,
        };
        IReadOnlyDictionary<string, string?> variables = settings.ToVariables();
        Assert.Equal(Setting.All.Select(setting => setting.Variable), variables.Keys);
        Assert.DoesNotContain(null, variables.Values);
        Assert.Equal(settings, Settings.Read(variables.GetValueOrDefault));
    }

    [Theory]
    [InlineData("LETTERBOX_HTTP", "3000", "host:port")]
    [InlineData("LETTERBOX_HTTP", "localhost:70000", "host:port")]
    [InlineData("LETTERBOX_SOCKET", "a b:1", "host:port")]
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
        SettingsException fault = Assert.Throws<SettingsException>(() => Settings.Read(Only));
        Assert.StartsWith($"{variable} is ", fault.Message, StringComparison.Ordinal);
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        fault = Assert.Throws<SettingsException>(() => Settings.Read(Only, _ => "--option"));
        Assert.StartsWith("--option is ", fault.Message, StringComparison.Ordinal);
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
    public void A_connection_string_is_shown_without_its_secrets(string uri, string shown)
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
}
