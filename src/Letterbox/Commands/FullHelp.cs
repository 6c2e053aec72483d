// `letterbox --help`: the usage that the library generates, then settings, exit statuses and examples, in the
// width of the terminal. The help of a verb shows only the options that it uses.

using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Letterbox.Configuration;
using Letterbox.Hosting;

namespace Letterbox.Commands;

// `usage` is the library's; `options` are those of the settings, which every verb accepts.
internal sealed class FullHelp(HelpAction usage, IReadOnlyDictionary<string, Option<string>> options)
    : SynchronousCommandLineAction
{
    // Verbs that use only some of the settings with an option.
    private static readonly Dictionary<string, Setting[]> s_used = new()
    {
        ["web"] = [Setting.Http, Setting.Socket, Setting.Site],
        ["store"] = [Setting.Socket, Setting.Data, Setting.MongoUri],
        ["messages"] = [Setting.Data, Setting.MongoUri],
        ["import"] = [Setting.Data, Setting.MongoUri],
        ["audit"] = [Setting.Data, Setting.MongoUri],
        ["quarantine"] = [Setting.Data],
        ["list"] = [Setting.Data],
        ["retry"] = [Setting.Data],
        ["drop"] = [Setting.Data],
        ["redeliver"] = [Setting.Data],
        ["send"] = [Setting.Socket],
        ["health"] = [Setting.Http, Setting.Socket],
        ["tls"] = [],
        ["init"] = [],
        ["help"] = [],
    };

    private static readonly (string Status, string Meaning)[] s_statuses =
    [
        ("0", "done, or stopped by SIGTERM or Ctrl-C"),
        ("1", "failed, as standard error says; also: audit has findings, import rejected lines"),
        ("2", "the command line or a setting is invalid, as standard error says"),
    ];

    private static readonly (string Line, string Meaning)[] s_examples =
    [
        ("letterbox", "runs both servers; messages in ./data/letterbox.db"),
        ("letterbox --http 127.0.0.1:8080", "the same, for this machine only, on another port"),
        ("LETTERBOX_MONGODB_URI=mongodb://db letterbox", "sends messages on to MongoDB"),
        ("letterbox web --socket one:5000,two:5000", "runs a web process with two stores on other hosts"),
        ("letterbox messages --follow", "lists messages, then new ones as they arrive"),
        ("letterbox messages --id 635d8a1a9c3e5f0011223344", "shows the message with this receipt number"),
        ("letterbox messages --format csv > messages.csv", "exports all messages for a spreadsheet"),
        ("letterbox send", "asks for a name and a message, and sends it"),
        ("echo hello | letterbox send --username ann", "sends a message from standard input"),
        ("letterbox import messages.csv", "stores what messages --format csv or json wrote"),
        ("letterbox audit", "compares the journal with MongoDB"),
        ("letterbox quarantine list", "lists what MongoDB rejects, and why"),
        ("letterbox redeliver --since 36h", "sends again what MongoDB lost since then"),
    ];

    private const int ColumnMin = 40;

    // Help needs no required arguments.
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        int width = StandardStreams.Columns ?? int.MaxValue;
        usage.MaxWidth = width;
        Command command = parseResult.CommandResult.Command;
        foreach ((string variable, Option<string> option) in options)
        {
            option.Hidden = s_used.TryGetValue(command.Name, out Setting[]? used)
                && !Array.Exists(used, setting => setting.Variable == variable);
        }

        int status = usage.Invoke(parseResult);
        if (command is not RootCommand) return status;
        TextWriter output = parseResult.InvocationConfiguration.Output;
        const string about = "Without a command both servers run, each in its own process. "
            + "letterbox help COMMAND shows the options of a command.";
        output.WriteLine(Wrap(about, indent: 0, width));
        output.WriteLine();
        output.WriteLine("Settings:");
        output.WriteLine(Wrap("environment variables; an option overrides its variable", indent: 2, width));
        foreach (Setting setting in Setting.All)
        {
            string option = setting.Option is null ? "" : $" ({setting.Option})";
            output.WriteLine(Wrap($"{setting.Variable}  {setting.Default}", indent: 2, width));
            output.WriteLine(Wrap($"{setting.Meaning}{option}", indent: 6, width));
        }

        WriteTable(output, "Exit status:", s_statuses, width);
        WriteTable(output, "Examples:", s_examples, width);
        return status;
    }

    private static void WriteTable(
        TextWriter output, string title, (string Name, string Meaning)[] rows, int width)
    {
        int column = rows.Max(static row => row.Name.Length) + 4;
        output.WriteLine();
        output.WriteLine(title);
        foreach ((string name, string meaning) in rows)
        {
            // Where the second column is narrow, the meaning has a line of its own.
            output.WriteLine(width - column >= Math.Min(meaning.Length, ColumnMin)
                ? $"  {name}".PadRight(column) + Wrap(meaning, column, width)[column..]
                : $"  {name}\n{Wrap(meaning, indent: 6, width)}");
        }
    }

    private static string Wrap(string text, int indent, int width)
    {
        string start = new(' ', indent);
        var lines = new List<string> { start };
        foreach (string word in text.Split(' '))
        {
            if (lines[^1].Length > indent && lines[^1].Length + word.Length >= width) lines.Add(start);
            lines[^1] += lines[^1].Length > indent ? $" {word}" : word;
        }

        return string.Join('\n', lines);
    }
}
