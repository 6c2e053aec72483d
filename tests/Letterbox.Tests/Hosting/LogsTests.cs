// The log's lines: what they look like, and that nobody waits for them. Standard error is the process's own,
// so these tests run alone.

using Letterbox.Hosting;
using Microsoft.Extensions.Logging;

namespace Letterbox.Tests.Hosting;

[CollectionDefinition(nameof(LogsTests), DisableParallelization = true)]
[Collection(nameof(LogsTests))]
public sealed class LogsTests
{
    [Fact]
    public void A_line_has_its_time_its_severity_its_category_and_its_text()
    {
        string[] lines = Written(LogLevel.Information, static log => log.LogWarning("{Count} are away", 3));
        string line = Assert.Single(lines);
        Assert.Matches(@"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} warn store: 3 are away$", line);
    }

    [Fact]
    public void A_text_with_line_ends_and_terminal_codes_stays_one_tame_line()
    {
        const string wild = "a\r\n2026 info forged\u001b[2J\u0085b";
        string line = Assert.Single(Written(LogLevel.Information, log => log.LogError("{Text}", wild)));
        Assert.EndsWith("fail store: a  2026 info forged [2J b", line, StringComparison.Ordinal);
    }

    [Fact]
    public void An_exception_stands_behind_the_text_on_the_same_line()
    {
        var failure = new InvalidOperationException("no\nway");
        string line = Assert.Single(Written(LogLevel.Information, log => log.LogError(failure, "it broke")));
        Assert.Contains("it broke: System.InvalidOperationException: no way", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(LogLevel.Warning, 2)]
    [InlineData(LogLevel.Trace, 4)]
    [InlineData(LogLevel.None, 0)]
    public void What_is_less_severe_than_asked_for_is_not_written(LogLevel level, int lines)
    {
        Assert.Equal(lines, Written(level, Log).Length);

        static void Log(ILogger log)
        {
            log.LogDebug("a");
            log.LogInformation("b");
            log.LogWarning("c");
            log.LogCritical("d");
        }
    }

    [Fact]
    public async Task Logging_does_not_wait_for_an_output_that_stands_still_and_lines_dropped_are_counted()
    {
        const int tooMany = 10;
        using var output = new Gate();
        using (ILoggerFactory logs = CreateOn(output))
        {
            ILogger log = logs.CreateLogger("store");
            log.LogInformation("first");
            await output.Reached;
            for (int i = 0; i < Logs.LinesMax + tooMany; i++) log.LogInformation("{Number}", i);
            output.Open();
            await output.UntilAsync(1 + Logs.LinesMax);
            log.LogInformation("last");
        }

        string[] lines = output.Lines;
        Assert.Equal(1 + Logs.LinesMax + 2, lines.Length);
        Assert.StartsWith($"{tooMany} message(s) dropped", lines[^2], StringComparison.Ordinal);
    }

    private static string[] Written(LogLevel level, Action<ILogger> log)
    {
        using var output = new Gate();
        output.Open();
        using (ILoggerFactory logs = CreateOn(output, level)) log(logs.CreateLogger("store"));
        return output.Lines;
    }

    private static ILoggerFactory CreateOn(Gate output, LogLevel level = LogLevel.Information)
    {
        TextWriter standard = Console.Error;
        Console.SetError(output);
        try
        {
            return Logs.Create(level);
        }
        finally
        {
            Console.SetError(standard);
        }
    }

    // Takes lines once it is open; until then the writer stands still.
    private sealed class Gate : StringWriter
    {
        private readonly ManualResetEventSlim _open = new();
        private readonly SemaphoreSlim _written = new(0);
        private readonly TaskCompletionSource _reached =
            new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Reached => _reached.Task.WaitAsync(TimeSpan.FromSeconds(30));

        public string[] Lines => ToString().Split(NewLine, StringSplitOptions.RemoveEmptyEntries);

        public void Open() => _open.Set();

        public async Task UntilAsync(int lines)
        {
            for (int i = 0; i < lines; i++) Assert.True(await _written.WaitAsync(TimeSpan.FromSeconds(30)));
        }

        public override void Write(string? value)
        {
            _reached.TrySetResult();
            _open.Wait();
            base.Write(value);
            _written.Release();
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) _open.Dispose();
            if (disposing) _written.Dispose();
            base.Dispose(disposing);
        }
    }
}
