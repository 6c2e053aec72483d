// The main program: the command line, one verb for each role and command, the exit status.

using System.CommandLine;
using System.CommandLine.Help;
using System.Net.Sockets;
using System.Text.Unicode;
using Letterbox.Commands;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Supervision;
using Microsoft.Extensions.Logging;

namespace Letterbox;

internal static class Program
{
    // The settings that are options too, of every verb.
    private static readonly Dictionary<string, Option<string>> s_options = Setting.All
        .Where(setting => setting.Option is not null)
        .ToDictionary(
            setting => setting.Variable,
            setting => new Option<string>(setting.Option!)
            {
                Description = setting.Meaning,
                HelpName = "value",
                Recursive = true,
            });

    private static async Task<int> Main(string[] args)
    {
        try
        {
            StandardStreams.OpenClosed();
            StandardStreams.SetError();
            RuntimeDiagnostics.SwitchOff();
            return await ParseAndRunAsync(args);
        }
        catch (SettingsException e)
        {
            return WriteError(e.Message, ExitStatus.Usage);
        }
        catch (Exception e) when (e is StoreException or IOException or UnauthorizedAccessException)
        {
            return WriteError(e.Message);
        }
    }

    private static async Task<int> ParseAndRunAsync(string[] args)
    {
        if (!IsUnicode(args)) return WriteError("the command line is not valid UTF-8", ExitStatus.Usage);
        // A leading @ is part of a message; it does not name a file with arguments.
        var configuration = new ParserConfiguration { ResponseFileTokenReplacer = null };
        ParseResult line = CommandLine().Parse(args, configuration);
        // Help has no errors, even about an unknown verb.
        bool isHelp = line.Action is FullHelp && line.UnmatchedTokens.Count > 0;
        if (line.Errors.Count > 0 || isHelp)
        {
            foreach (var error in line.Errors) WriteError(error.Message);
            if (isHelp) WriteError($"unknown: {string.Join(' ', line.UnmatchedTokens)}");
            foreach (string token in line.UnmatchedTokens)
            {
                if (NearestTo(token, line) is { } name) WriteError($"did you mean \"{name}\"?");
            }

            return WriteError("see letterbox --help", ExitStatus.Usage);
        }

        // StopSignal handles stopping; unexpected exceptions end the process with their stack trace.
        return await line.InvokeAsync(new InvocationConfiguration
        {
            ProcessTerminationTimeout = null,
            EnableDefaultExceptionHandler = false,
        });
    }

    // The runtime replaces what is not UTF-8 by U+FFFD. A message must not be changed without notice.
    private static bool IsUnicode(string[] args)
    {
        if (!args.Any(static argument => argument.Contains('\uFFFD', StringComparison.Ordinal))) return true;
        const string typed = "/proc/self/cmdline";
        return File.Exists(typed) && Utf8.IsValid(File.ReadAllBytes(typed));
    }

    // The verb or option that may have been meant.
    private static string? NearestTo(string token, ParseResult line)
    {
        Command command = line.CommandResult.Command;
        IEnumerable<Symbol> known = token.StartsWith('-')
            ? [.. command.Options, .. s_options.Values]
            : command.Subcommands;
        return Similar.To(token, known.Select(static symbol => symbol.Name));
    }

    private static RootCommand CommandLine()
    {
        var root = new RootCommand(
            "A web page on which people leave a message, and the machinery that never loses one.");
        foreach (Option<string> option in s_options.Values) root.Add(option);
        root.SetAction((line, _) => SuperviseAsync(Read(line)));

        var web = new Command("web", "Runs the HTTP server only.");
        web.SetAction((line, _) => WebAsync(Read(line)));
        root.Add(web);

        var store = new Command("store", "Runs the socket server and the store only.");
        store.SetAction((line, _) => StoreAsync(Read(line)));
        root.Add(store);

        root.Add(MessagesCommand.Create(Read));
        root.Add(ImportCommand.Create(Read));
        root.Add(SendCommand.Create(Read));
        root.Add(QuarantineCommand.Create(Read));
        root.Add(RedeliverCommand.Create(Read));
        root.Add(AuditCommand.Create(Read));
        root.Add(HealthCommand.Create(Read));
        root.Add(TlsCommand.Create());

        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new FullHelp((HelpAction)help.Action!, s_options);
        var verb = new Argument<string[]>("command") { Arity = ArgumentArity.ZeroOrMore };
        var helpVerb = new Command("help", "Shows the help of a command.") { verb };
        helpVerb.SetAction((line, _) => ParseAndRunAsync([.. line.GetValue(verb) ?? [], help.Name]));
        root.Add(helpVerb);
        return root;
    }

    private static Settings Read(ParseResult line)
    {
        string? Option(string variable) =>
            s_options.TryGetValue(variable, out Option<string>? option) ? line.GetValue(option) : null;

        UnknownVariables.Check(
            Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>()
                .Select(static one => KeyValuePair.Create((string)one.Key, (string?)one.Value ?? "")));
        LocalTime.Use(Environment.GetEnvironmentVariable("TZ"));
        return Settings.Read(
            variable => Option(variable) ?? Environment.GetEnvironmentVariable(variable),
            variable => Option(variable) is null ? variable : s_options[variable].Name);
    }

    private static async Task<int> SuperviseAsync(Settings settings)
    {
        StandardStreams.SetOutput();
        using ILoggerFactory logs = Logs.Create(settings.Log);
        using StopSignal stop = StopSignal.Listen();
        using var tls = MutualTls.Load(settings);
        var store = new Role("store", Setting.Socket, (at, deadline) =>
            Liveness.AskAsync(at, Liveness.StoreRequest, tls, deadline));
        var web = new Role("web", Setting.Http, static (at, deadline) =>
            Liveness.AskAsync(at, Liveness.HttpRequest, null, deadline));
        return await Supervisor.RunAsync(settings, store, web, logs, Console.Out, stop);
    }

    private static Task<int> WebAsync(Settings settings) =>
        ServeAsync("web", settings, settings.Http, WebProcess.RunAsync);

    private static Task<int> StoreAsync(Settings settings) =>
        ServeAsync("store", settings, settings.Socket, StoreProcess.RunAsync);

    private static async Task<int> ServeAsync(
        string role, Settings settings, Address at,
        Func<Settings, ILoggerFactory, CancellationToken, Task<int>> run)
    {
        // Continuations of socket operations run on the thread that polls the sockets, without a hop to the
        // thread pool: none of ours blocks. The runtime reads the variable once, before the first socket.
        const string variable = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";
        Environment.SetEnvironmentVariable(variable, Environment.GetEnvironmentVariable(variable) ?? "1");
        StandardStreams.SetOutput();
        if (!DescriptorLimit.IsEnough) return WriteError($"{role} cannot start: {DescriptorLimit.Text}");
        using ILoggerFactory logs = Logs.Create(settings.Log);
        using StopSignal stop = StopSignal.Listen();
        try
        {
            return await run(settings, logs, stop.Token);
        }
        catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
        {
            // Stopped before it was ready.
            return ExitStatus.Ok;
        }
        catch (SocketException e)
        {
            return WriteError(CannotServe(role, at, e));
        }
    }

    // Socket errors of a process that serves are handled there: this is about the address, or the limit.
    internal static string CannotServe(string role, Address at, SocketException e)
    {
        if (e.SocketErrorCode == SocketError.TooManyOpenSockets)
            return $"{role} cannot start: {DescriptorLimit.Text}";
        string text = $"{role} cannot listen on {at}: {e.Message}";
        if (e.SocketErrorCode != SocketError.AddressAlreadyInUse || at.Port == ushort.MaxValue) return text;
        Setting setting = role == "web" ? Setting.Http : Setting.Socket;
        string mac = at.Port == 5000 ? " (on a Mac, AirPlay Receiver uses port 5000)" : "";
        return $"{text}{mac}; choose another port with {setting.Option} {at.WithPort(at.Port + 1)} "
            + $"or {setting.Variable}";
    }

    private static int WriteError(string text, int status = ExitStatus.Failed)
    {
        Console.Error.WriteLine($"letterbox: {text}");
        return status;
    }
}
