// The log: one line an event, on standard error, so that standard output is for answers.
//
//   2026-08-21 10:00:00.123 warn store: cannot accept connections now (TooManyOpenSockets)
//
// The console logger of Microsoft.Extensions.Logging writes it, on a thread of its own. When its queue is
// full, lines are dropped and their number is logged: a blocked terminal must not delay messages.

using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace Letterbox.Hosting;

internal static partial class Logs
{
    public const int LinesMax = 4_096;

    /// <summary>
    /// Loggers for this process. Disposing it writes what is queued, for at most a second and a half.
    /// </summary>
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

    /// <summary>Puts <see cref="StandardError"/> in the place of the console's own.</summary>
    public static void SetStandardError() => Console.SetError(new StandardError());

    // What is written to the console's own standard error holds the lock of standard output: a full pipe
    // there would keep the ready line from being written. A FileStream keeps an offset of its own, and would
    // overwrite what the other processes write to the same file. So: write(2). A line that cannot be written
    // is lost, and the next one is tried.
    private sealed partial class StandardError : TextWriter
    {
        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value) => Write(value.ToString());

        public override void WriteLine(string? value) => Write(value + '\n');

        public override void Write(string? value)
        {
            ReadOnlySpan<byte> rest = Encoding.GetBytes(value ?? "");
            for (nint written; !rest.IsEmpty; rest = rest[(int)written..])
            {
                written = Write(2, rest, rest.Length);
                if (written < 0) return;
            }
        }

        [LibraryImport("libc", EntryPoint = "write")]
        private static partial nint Write(int descriptor, ReadOnlySpan<byte> bytes, nint count);
    }

    private sealed class FixedOptions(ConsoleLoggerOptions options) : IOptionsMonitor<ConsoleLoggerOptions>
    {
        public ConsoleLoggerOptions CurrentValue => options;

        public ConsoleLoggerOptions Get(string? name) => options;

        public IDisposable? OnChange(Action<ConsoleLoggerOptions, string?> listener) => null;
    }

    // The package's own single line lets control characters through.
    private sealed class LineFormatter() : ConsoleFormatter(FormatterName)
    {
        public const string FormatterName = "line";

        public override void Write<TState>(
            in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
        {
            string text = logEntry.Formatter(logEntry.State, logEntry.Exception);
            if (logEntry.Exception is not null) text = $"{text}: {logEntry.Exception}";
            textWriter.Write(DateTime.Now.ToString("yyyy-MM-dd HH:mm:ss.fff ", CultureInfo.InvariantCulture));
            textWriter.Write(Severity(logEntry.LogLevel));
            textWriter.Write($" {logEntry.Category}: ");
            // What a client sent may be part of the text: it must not forge a line or control a terminal.
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
