// The log: one line per event on standard error; standard output is for results.
//
//   2026-08-21 10:00:00.123 warn store: cannot accept connections now (TooManyOpenSockets)
//
// The console logger of Microsoft.Extensions.Logging writes it, on a thread of its own. When its queue is
// full, lines are dropped and their number is logged: a blocked terminal must not delay messages.

using System.Globalization;
using Letterbox.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace Letterbox.Hosting;

internal static class Logs
{
    public const int LinesMax = 4_096;

    // Disposing the factory writes the queued lines, for at most 1.5 s.
    public static ILoggerFactory Create(LogLevel level)
    {
        var options = new ConsoleLoggerOptions
        {
            FormatterName = LineFormatter.FormatterName,
            LogToStandardErrorThreshold = LogLevel.Trace,
            MaxQueueLength = LinesMax,
            QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite,
        };
        var console = new ConsoleLoggerProvider(new FixedOptions(options), [new LineFormatter()]);
        var logs = new LoggerFactory([], new LoggerFilterOptions { MinLevel = level });
        logs.AddProvider(console);
        return logs;
    }

    private sealed class FixedOptions(ConsoleLoggerOptions options) : IOptionsMonitor<ConsoleLoggerOptions>
    {
        public ConsoleLoggerOptions CurrentValue => options;

        public ConsoleLoggerOptions Get(string? name) => options;

        public IDisposable? OnChange(Action<ConsoleLoggerOptions, string?> listener) => null;
    }

    // The package's single-line formatter does not remove control characters.
    private sealed class LineFormatter() : ConsoleFormatter(FormatterName)
    {
        public const string FormatterName = "line";

        private const string Date = "yyyy-MM-dd HH:mm:ss.fff ";

        public override void Write<TState>(
            in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
        {
            string text = logEntry.Formatter(logEntry.State, logEntry.Exception);
            if (logEntry.Exception is not null) text = $"{text}: {logEntry.Exception}";
            textWriter.Write(LocalTime.Clock.GetLocalNow().ToString(Date, CultureInfo.InvariantCulture));
            textWriter.Write(Severity(logEntry.LogLevel));
            textWriter.Write($" {logEntry.Category}: ");
            // The text may contain bytes of a client: they must not forge a line or control a terminal.
            foreach (char c in text) textWriter.Write(char.IsControl(c) ? ' ' : c);
            textWriter.WriteLine();
        }

        private static string Severity(LogLevel level) => level switch
        {
            LogLevel.Trace => "trce",
            LogLevel.Debug => "dbug",
            LogLevel.Information => "info",
            LogLevel.Warning => "warn",
            LogLevel.Error => "fail",
            _ => "crit",
        };
    }
}
