// `letterbox --help`: the usage that the library generates, then settings, exit statuses and examples.

using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Letterbox.Configuration;

namespace Letterbox.Commands;

/// <summary>The help of the program. The help of a verb is <paramref name="usage"/> alone.</summary>
internal sealed class FullHelp(HelpAction usage) : SynchronousCommandLineAction
{
    private const string Examples =
        """
        Exit status:
          0  done, or stopped by SIGTERM or Ctrl-C
          1  failed, as standard error says; also: audit has findings, import rejected lines
          2  the command line or a setting is invalid, as standard error says

        Examples:
          letterbox                                        runs both servers; messages in ./data/letterbox.db
          letterbox --http 127.0.0.1:8080                  the same, for this machine only, on another port
          LETTERBOX_MONGODB_URI=mongodb://db letterbox     sends messages on to MongoDB
          letterbox web --socket one:5000,two:5000         runs a web process with two stores on other hosts
          letterbox messages --follow                      lists messages, then new ones as they arrive
          letterbox messages --format csv > messages.csv   exports all messages for a spreadsheet
          letterbox send --username ann --message hello    sends one message
          echo hello | letterbox send --username ann       the same, from standard input
          letterbox import messages.json                   stores what --format json wrote
          letterbox audit                                  compares the journal with MongoDB
          letterbox quarantine list                        lists what MongoDB rejects, and why
          letterbox redeliver --since 36h                  sends again what MongoDB lost since then
        """;

    // Help needs no required arguments.
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        int status = usage.Invoke(parseResult);
        if (parseResult.CommandResult.Command is not RootCommand) return status;
        TextWriter output = parseResult.InvocationConfiguration.Output;
        output.WriteLine("Without a command both servers run, each in its own process.");
        output.WriteLine();
        output.WriteLine("Settings (environment variables; an option overrides its variable):");
        int width = Setting.All.Max(setting => setting.Variable.Length);
        foreach (Setting setting in Setting.All)
        {
            output.WriteLine($"  {setting.Variable.PadRight(width)}  {setting.Default}");
            string option = setting.Option is null ? "" : $" ({setting.Option})";
            output.WriteLine($"  {"".PadRight(width)}    {setting.Meaning}{option}");
        }

        output.WriteLine();
        output.WriteLine(Examples);
        return status;
    }
}
