// The log: one line an event, on standard error, so that standard output is for answers.
//
//   2026-08-21 10:00:00.123 warn store: cannot accept connections now (TooManyOpenSockets)
//
// Built by hand rather than by the usual builder: that starts a container of services which nothing else here
// needs, and its start would be paid by every process.

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace Letterbox;

/// <summary>Makes loggers.</summary>
public static class Logs
{
    /// <summary>Loggers for this process. Disposing it writes out what is still queued.</summary>
    public static ILoggerFactory Open(LogLevel level)
    {
        var options = new ConsoleLoggerOptions
        {
            FormatterName = nameof(OneLine),
            LogToStandardErrorThreshold = LogLevel.Trace,
        };
        var logs = new LoggerFactory([], new LoggerFilterOptions { MinLevel = level });
        // Added, not given to the constructor: only what is added is disposed, and so written out, with the
        // factory.
        var unchanging = new Unchanging<ConsoleLoggerOptions>(options);
        logs.AddProvider(new ConsoleLoggerProvider(unchanging, [new OneLine()]));
        return logs;
    }

    private sealed class OneLine() : ConsoleFormatter(nameof(OneLine))
    {
        public override void Write<TState>(
            in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
        {
            string text = logEntry.Formatter(logEntry.State, logEntry.Exception);
            if (logEntry.Exception is { } fault) text = $"{text}: {fault}";
            string level = logEntry.LogLevel switch
            {
                LogLevel.Trace => "trce",
                LogLevel.Debug => "dbug",
                LogLevel.Information => "info",
                LogLevel.Warning => "warn",
                LogLevel.Error => "fail",
                _ => "crit",
            };
            string now = DateTime.Now.ToString("yyyy-MM-dd HH:mm:ss.fff");
            textWriter.WriteLine($"{now} {level} {logEntry.Category}: {Tame(text)}");
        }

        // What a stranger sent may be part of the text: it must not forge a line or drive a terminal.
        private static string Tame(string text) =>
            text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c)) : text;
    }

    private sealed class Unchanging<T>(T value) : IOptionsMonitor<T>
    {
        public T CurrentValue => value;

        public T Get(string? name) => value;

        public IDisposable? OnChange(Action<T, string?> listener) => null;
    }
}
