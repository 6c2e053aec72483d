// The command line: its help, its errors and its exit statuses.

using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class CommandLineTests
{
    [Fact]
    public async Task The_help_names_every_setting_verb_and_exit_status()
    {
        Finished end = await LetterboxProcess.RunAsync(["--help"]);
        Assert.Equal(ExitStatus.Ok, end.Status);
        string[] verbs = ["web", "store", "messages", "send", "import", "redeliver", "audit", "health"];
        foreach (string word in verbs) Assert.Contains($"\n  {word} ", end.Output, StringComparison.Ordinal);
        foreach (Setting setting in Setting.All)
        {
            Assert.Contains(setting.Variable, end.Output, StringComparison.Ordinal);
            Assert.Contains(setting.Default, end.Output, StringComparison.Ordinal);
            string option = setting.Option is null ? "" : $"\n  {setting.Option} ";
            Assert.Contains(option, end.Output, StringComparison.Ordinal);
        }

        Assert.Contains("Exit status:", end.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("messages", "--follow")]
    [InlineData("send", "--username")]
    [InlineData("redeliver", "--since")]
    [InlineData("audit", "--no-extra")]
    public async Task The_help_of_a_verb_is_about_the_verb(string verb, string option)
    {
        Finished end = await LetterboxProcess.RunAsync([verb, "--help"]);
        Assert.Equal(ExitStatus.Ok, end.Status);
        Assert.Contains($"  {option} ", end.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Exit status:", end.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("web", "--http --socket --site")]
    [InlineData("store", "--socket --data --mongodb-uri")]
    [InlineData("import", "--data --mongodb-uri")]
    [InlineData("send", "--socket --username --message --id")]
    [InlineData("quarantine", "--data")]
    [InlineData("quarantine list", "--data --format")]
    [InlineData("redeliver", "--data --since")]
    [InlineData("health", "--http --socket --store")]
    [InlineData("tls init", "")]
    public async Task The_help_of_a_verb_has_its_own_options_only(string verb, string options)
    {
        Finished end = await LetterboxProcess.RunAsync(["help", .. verb.Split(' ')]);
        Finished same = await LetterboxProcess.RunAsync([.. verb.Split(' '), "--help"]);
        Assert.Equal((ExitStatus.Ok, same.Output, ""), (end.Status, end.Output, end.Error));
        IEnumerable<string> shown =
            from Match match in Regex.Matches(end.Output, "^  (--[a-z-]+)", RegexOptions.Multiline)
            select match.Groups[1].Value;
        Assert.Equal(options.Split(' ', StringSplitOptions.RemoveEmptyEntries).Order(), shown.Order());
    }

    [Fact]
    public async Task Help_of_nothing_is_the_help_and_of_what_is_unknown_an_error()
    {
        Finished all = await LetterboxProcess.RunAsync(["--help"]);
        Finished help = await LetterboxProcess.RunAsync(["help"]);
        Assert.Equal((ExitStatus.Ok, all.Output), (help.Status, help.Output));
        Finished none = await LetterboxProcess.RunAsync(["help", "mesages"]);
        Assert.Equal(ExitStatus.Usage, none.Status);
        Assert.Contains("did you mean \"messages\"?", none.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(60)]
    [InlineData(100)]
    public async Task The_help_wraps_at_the_width_of_the_terminal(int columns)
    {
        foreach (string[] line in (string[][])[["--help"], ["messages", "--help"]])
        {
            Finished end = await LetterboxProcess.RunAsync(line, under: Terminal.Columns(columns));
            int start = end.Output.IndexOf("Description", StringComparison.Ordinal);
            string[] lines = end.Output[start..].Split('\n');
            Assert.All(lines, text => Assert.InRange(text.TrimEnd().Length, 0, columns));
        }
    }

    [Theory]
    [InlineData("mess", "messages")]
    [InlineData("messages --fo", "--follow", "--format")]
    [InlineData("messages --format ", "csv", "json", "table")]
    [InlineData("quarantine ", "list", "retry", "drop")]
    public async Task A_shell_can_ask_how_a_line_goes_on(string line, params string[] completions)
    {
        Finished end = await LetterboxProcess.RunAsync([$"[suggest:{line.Length}]", line]);
        Assert.Equal(ExitStatus.Ok, end.Status);
        Assert.Subset(end.Output.Split('\n').ToHashSet(), completions.ToHashSet());
    }

    [Fact]
    public async Task The_version_is_one_line()
    {
        Finished end = await LetterboxProcess.RunAsync(["--version"]);
        Assert.Equal(ExitStatus.Ok, end.Status);
        Assert.Matches("^[0-9]+\\.[0-9]+\\.[0-9]+[^\n]*\n$", end.Output);
    }

    [Theory]
    [InlineData("publish", "publish")]
    [InlineData("--colour", "--colour")]
    [InlineData("web store", "store")]
    [InlineData("messages --format xml", "xml")]
    [InlineData("send --message hello", "--username")]
    [InlineData("--http 3000", "--http")]
    [InlineData("web --site /no/such/folder", "--site")]
    [InlineData("--mongodb-uri localhost", "--mongodb-uri")]
    [InlineData("redeliver", "--since")]
    [InlineData("redeliver --since yesterday", "--since is \"yesterday\"")]
    public async Task A_wrong_command_line_is_named(string line, string named)
    {
        Finished end = await LetterboxProcess.RunAsync(line.Split(' '));
        Assert.Equal(ExitStatus.Usage, end.Status);
        Assert.Contains(named, end.Error, StringComparison.Ordinal);
        Assert.Empty(end.Output);
    }

    [Theory]
    [InlineData("mesages", "messages")]
    [InlineData("mesages --follow", "messages")]
    [InlineData("helth", "health")]
    [InlineData("messages --folow", "--follow")]
    [InlineData("messages --mongo-uri x", "--mongodb-uri")]
    [InlineData("quarantine lst", "list")]
    [InlineData("--htp 127.0.0.1:0", "--http")]
    public async Task A_mistyped_verb_or_option_is_corrected(string line, string meant)
    {
        Finished end = await LetterboxProcess.RunAsync(line.Split(' '));
        Assert.Equal(ExitStatus.Usage, end.Status);
        Assert.Contains($"did you mean \"{meant}\"?\n", end.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("LETTERBOX_MONGO_URI", "", "did you mean LETTERBOX_MONGODB_URI?")]
    [InlineData("LETTERBOX_HTTP_PORT", "8080", "did you mean LETTERBOX_HTTP?", "web")]
    [InlineData("LETTERBOX_HTTP", "127.0.0.1:0\r", "is \"127.0.0.1:0\\r\"", "store")]
    [InlineData("TZ", "Mars/Phobos", "TZ is \"Mars/Phobos\"", "store")]
    [InlineData("TZ", "Mars/Phobos", "TZ is \"Mars/Phobos\"", "messages")]
    public async Task A_variable_that_cannot_be_meant_is_rejected(
        string variable, string value, string expected, params string[] verb)
    {
        Finished end = await LetterboxProcess.RunAsync(verb, new() { [variable] = value });
        Assert.Equal(ExitStatus.Usage, end.Status);
        Assert.StartsWith($"letterbox: {variable} ", end.Error, StringComparison.Ordinal);
        Assert.Contains(expected, end.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("LETTERBOX_HTTP", "nowhere")]
    [InlineData("LETTERBOX_JOURNAL_KEEP", "long")]
    [InlineData("LETTERBOX_DISK_RESERVE", "64")]
    public async Task A_wrong_variable_is_named(string variable, string value)
    {
        Finished end = await LetterboxProcess.RunAsync([], new() { [variable] = value });
        Assert.Equal(ExitStatus.Usage, end.Status);
        Assert.Contains($"{variable} is \"{value}\"", end.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_option_overrides_its_variable()
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(
            ["web", "--http", "127.0.0.1:0"], new() { ["LETTERBOX_HTTP"] = "not an address" });
        Assert.NotEqual(0, letterbox.Http.Port);
    }

    [Theory]
    [InlineData("", "message is empty")]
    [InlineData("\n", "message is empty")]
    [InlineData("\xff", "message is not valid UTF-8")]
    public async Task Send_rejects_what_no_store_accepts(string input, string reason)
    {
        Finished end = await LetterboxProcess.RunAsync(
            ["send", "--username", "ann"], input: Encoding.Latin1.GetBytes(input));
        Assert.Equal(ExitStatus.Failed, end.Status);
        Assert.Equal($"NO {reason}\n", end.Error);
        Assert.Empty(end.Output);
    }

    [Fact]
    public async Task Send_reads_no_more_than_the_longest_message()
    {
        Finished end = await LetterboxProcess.RunAsync(
            ["send", "--username", "ann"], input: new byte[Message.EncodedBytesMax + 1]);
        Assert.Equal(ExitStatus.Failed, end.Status);
        Assert.Contains("NO message has more than", end.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("send --username a --message")]
    [InlineData("messages --search")]
    public async Task What_is_not_unicode_on_the_command_line_is_rejected(string line)
    {
        string[] shell = ["sh", "-c", "exec \"$0\" \"$@\" \"$(printf '\\317\\360\\350')\""];
        Finished end = await LetterboxProcess.RunAsync(line.Split(' '), under: shell);
        Assert.Equal(
            (ExitStatus.Usage, "letterbox: the command line is not valid UTF-8\n"), (end.Status, end.Error));
    }

    [Fact]
    public async Task A_replacement_character_that_was_typed_is_text()
    {
        Finished end = await LetterboxProcess.RunAsync(["messages", "--search", "\uFFFD", "--id", "x"]);
        Assert.Contains("--id is \"x\"", end.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<&-", "letterbox: standard input is closed\n", "send", "--username", "a")]
    [InlineData("<&-", "letterbox: standard input is closed\n", "import")]
    [InlineData(">&-", "letterbox: cannot write to standard output: it is closed\n", "messages")]
    [InlineData("0>/dev/null", "letterbox: standard input is closed\n", "send", "--username", "a")]
    [InlineData("1</dev/null", "letterbox: cannot write to standard output: it is closed\n", "messages")]
    public async Task A_stream_that_is_closed_is_an_error_at_once(
        string redirection, string error, params string[] arguments)
    {
        Finished end = await LetterboxProcess.RunAsync(
            arguments, under: ["sh", "-c", $"exec \"$0\" \"$@\" {redirection}"]);
        Assert.Equal((ExitStatus.Failed, error), (end.Status, end.Error));
    }

    [Fact]
    public async Task Health_asks_the_store_for_its_reasons()
    {
        await using LetterboxProcess web = await LetterboxProcess.StartAsync(
            ["web"], new() { ["LETTERBOX_SOCKET"] = "127.0.0.1:1" });
        Finished end = await LetterboxProcess.RunAsync(
            ["health", "--http", $"{web.Http}", "--socket", "127.0.0.1:1"]);
        Assert.Equal((ExitStatus.Failed, ""), (end.Status, end.Output));
        Assert.Contains("/readyz answers 503", end.Error, StringComparison.Ordinal);
        Assert.Matches("\nletterbox: .*the store at 127.0.0.1:1.*\n$", end.Error);
    }

    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("[::]")]
    [InlineData("*")]
    public async Task Health_asks_loopback_for_a_server_on_every_interface(string host)
    {
        await using LetterboxProcess letterbox =
            await LetterboxProcess.StartAsync(variables: new() { ["LETTERBOX_HTTP"] = $"{host}:0" });
        Dictionary<string, string> same = new()
        {
            ["LETTERBOX_HTTP"] = $"{host}:{letterbox.Http.Port}",
            ["LETTERBOX_SOCKET"] = $"{letterbox.Socket}",
        };
        Finished end = await LetterboxProcess.RunAsync(["health"], same);
        Assert.Equal((ExitStatus.Ok, "healthy\n", ""), (end.Status, end.Output, end.Error));
    }

    [Theory]
    [InlineData("200 OK", "200 OK", 0, "healthy")]
    [InlineData("500 Oops", "200 OK", 1, "/healthz answers 500")]
    [InlineData("200 OK", "503 Not now", 1, "/readyz answers 503: the store is away")]
    [InlineData("302 Found", "200 OK", 1, "/healthz answers 302")]
    public async Task Health_asks_the_web_process(string healthz, string readyz, int status, string reported)
    {
        using Socket server = Loopback.Listen();
        Task<Finished> health = LetterboxProcess.RunAsync(["health", "--http", $"{server.LocalEndPoint}"]);
        Task answers = AnswerAsync(server, path => path == "/healthz" ? healthz : readyz);
        Finished end = await health;
        server.Dispose();
        await answers;
        Assert.Equal(status, end.Status);
        Assert.Contains(reported, end.Output + end.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_checks_the_store_process_too()
    {
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(["store"]);
        Finished end = await LetterboxProcess.RunAsync(["health", "--store", "--socket", $"{store.Socket}"]);
        Assert.Equal((ExitStatus.Ok, "healthy\n"), (end.Status, end.Output));
    }

    [Theory]
    [InlineData("--http", "http://{0}/healthz does not answer")]
    [InlineData("--socket", "the store at {0} does not answer")]
    public async Task Health_reports_that_there_is_no_server(string option, string reported)
    {
        string address;
        using (Socket closed = Loopback.Listen()) address = $"{closed.LocalEndPoint}";
        string[] which = option == "--socket" ? ["--store"] : [];
        Finished end = await LetterboxProcess.RunAsync(["health", .. which, option, address]);
        Assert.Equal(ExitStatus.Failed, end.Status);
        Assert.Contains(reported.Replace("{0}", address), end.Error, StringComparison.Ordinal);
    }

    private static async Task AnswerAsync(Socket server, Func<string, string> statusOf)
    {
        try
        {
            while (true)
            {
                using var client = new NetworkStream(await server.AcceptAsync(), ownsSocket: true);
                using var lines = new StreamReader(client);
                string path = (await lines.ReadLineAsync())!.Split(' ')[1];
                while (await lines.ReadLineAsync() is { Length: > 0 })
                {
                    // The fields of the request do not matter.
                }

                string head = $"HTTP/1.1 {statusOf(path)}\r\nConnection: close\r\nContent-Length: 18\r\n\r\n";
                await client.WriteAsync(Encoding.ASCII.GetBytes($"{head}the store is\naway\n"));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The listener is closed: the test has ended.
        }
    }
}
