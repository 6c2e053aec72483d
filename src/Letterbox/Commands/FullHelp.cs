// `letterbox --help`: what the library makes of the verbs and options, then everything else one needs to run
// it.

using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Letterbox.Configuration;

namespace Letterbox.Commands;

/// <summary>The help. At a verb it is the library's own.</summary>
/// <param name="usage">The library's own.</param>
internal sealed class FullHelp(HelpAction usage) : SynchronousCommandLineAction
{
    private const string Examples =
        """
        Exit status:
          0  done, or stopped in good order (SIGTERM, Ctrl-C)
          1  failed: standard error has the reason; audit: there are findings; import: lines were rejected
          2  the command line or a setting is wrong: standard error names it

        Examples:
          letterbox                                        both servers, messages in ./data/letterbox.db
          letterbox --http 127.0.0.1:8080                  the same for this machine only, on another port
          LETTERBOX_MONGODB_URI=mongodb://db letterbox     messages go on to MongoDB
          letterbox web --socket one:5000,two:5000         a web process with two stores on other hosts
          letterbox messages --follow                      what people leave, as it comes
          letterbox messages --format csv > messages.csv   everything, for a spreadsheet
          letterbox send --username ann --message hello    leaves one message
          echo hello | letterbox send --username ann       the same
          letterbox import messages.json                   takes back in what --format json wrote
          letterbox audit                                  is everything in MongoDB that should be?
          letterbox quarantine list                        what MongoDB does not take, and why
          letterbox redeliver --since 36h                  brings back what MongoDB has lost since
        """;

    /// <summary>Help needs no required arguments.</summary>
    public override bool ClearsParseErrors => true;

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        int status = usage.Invoke(parseResult);
        if (parseResult.CommandResult.Command is not RootCommand) return status;
        TextWriter output = parseResult.InvocationConfiguration.Output;
        output.WriteLine("Without a command both servers run, each in a process of its own.");
        output.WriteLine();
        output.WriteLine("Settings (environment variables; an option beats its variable):");
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
