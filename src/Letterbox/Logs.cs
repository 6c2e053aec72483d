// The log: one line an event, on standard error, so that standard output is for answers.
//
//   2026-08-21 10:00:00.123 warn store: cannot accept connections now (TooManyOpenSockets)
//
//    ILogger.Log ──▶ queue (bounded) ──▶ a thread of its own ──▶ standard error
//
// Whoever logs never waits: a terminal that stands still must not hold up messages. Lines for which there is
// no room are counted, and their number is told. docs/decisions/0009 says why this is not a package.

using Microsoft.Extensions.Logging;

namespace Letterbox;

/// <summary>
/// Loggers for this process. Safe on any thread. Disposing it writes out what is still queued, for at most
/// <see cref="FlushPatience"/>.
/// </summary>
public sealed class Logs : ILoggerFactory
{
    /// <summary>Most lines that wait to be written.</summary>
    public const int LinesMax = 4_096;

    /// <summary>How long the end of the process waits for a standard error that takes nothing.</summary>
    public static readonly TimeSpan FlushPatience = TimeSpan.FromSeconds(2);

    private readonly LogLevel _level;
    private readonly Func<TextWriter> _open;
    private readonly Thread _writer;
    private readonly Queue<Line> _lines = new();
    private readonly object _gate = new();
    private int _dropped;
    private bool _closed;

    /// <summary>Starts the writing thread.</summary>
    /// <param name="level">Events below it are not written.</param>
    /// <param name="open">Where lines go; called for the first of them, on the writing thread.</param>
    public Logs(LogLevel level, Func<TextWriter> open)
    {
        (_level, _open) = (level, open);
        _writer = new Thread(Write) { Name = "log", IsBackground = true };
        _writer.Start();
    }

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Category(this, categoryName);

    /// <summary>There is one place for the log; nothing can be added.</summary>
    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.Pulse(_gate);
        }

        _writer.Join(FlushPatience);
    }

    private void Add(Line line)
    {
        lock (_gate)
        {
            if (_lines.Count >= LinesMax) _dropped++;
            else _lines.Enqueue(line);
            Monitor.Pulse(_gate);
        }
    }

    private void Write()
    {
        TextWriter? output = null;
        while (Take() is { } line)
        {
            try
            {
                output ??= _open();
                output.WriteLine(line.Format());
            }
            catch (IOException)
            {
                // Nobody reads standard error any more: no reason to stop serving.
            }
        }
    }

    // The next line, when there is one; null at the end.
    private Line? Take()
    {
        lock (_gate)
        {
            while (_lines.Count == 0 && _dropped == 0 && !_closed) Monitor.Wait(_gate);
            if (_lines.TryDequeue(out Line? line)) return line;
            if (_dropped == 0) return null;
            string text = $"{_dropped} lines were left out before this: they came faster than they went";
            _dropped = 0;
            return new Line(DateTime.UtcNow, LogLevel.Warning, "log", text);
        }
    }

    private sealed record Line(DateTime Utc, LogLevel Level, string Category, string Text)
    {
        public string Format()
        {
            string severity = Level switch
            {
                LogLevel.Trace => "trce",
                LogLevel.Debug => "dbug",
                LogLevel.Information => "info",
                LogLevel.Warning => "warn",
                LogLevel.Error => "fail",
                _ => "crit",
            };
            return $"{Utc.ToLocalTime():yyyy-MM-dd HH:mm:ss.fff} {severity} {Category}: {Tame(Text)}";
        }

        // What a stranger sent may be part of the text: it must not forge a line or drive a terminal.
        private static string Tame(string text) =>
            string.Create(text.Length, text, static (tame, text) =>
            {
                for (int i = 0; i < tame.Length; i++) tame[i] = char.IsControl(text[i]) ? ' ' : text[i];
            });
    }

    private sealed class Category(Logs logs, string name) : ILogger
    {
        public bool IsEnabled(LogLevel logLevel) => logLevel >= logs._level && logLevel != LogLevel.None;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel)) return;
            string text = formatter(state, exception);
            if (exception is not null) text = $"{text}: {exception}";
            logs.Add(new Line(DateTime.UtcNow, logLevel, name, text));
        }
    }
}
