// The table on top of LivenessMonitor.cs, with a clock that is moved by hand.

using Letterbox.Configuration;
using Letterbox.Supervision;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Supervision;

public sealed class LivenessMonitorTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly RecordingLog _log = new();
    private readonly CancellationTokenSource _ended = new();
    private readonly Queue<string> _answers = new();
    private ChildState _state;
    private int _asked;
    private int _resumed;

    public void Dispose() => _ended.Dispose();

    [Fact]
    public async Task Six_questions_in_a_row_without_an_answer_are_a_hang()
    {
        Task<bool> hung = Watch("yes", "silence", "silence", "silence", "silence", "silence", "silence");
        await PassAsync(TimeSpan.FromSeconds(5 + 5 + 6 * 5), hung);
        Assert.True(await hung);
        Assert.Equal(7, _asked);
        Assert.Equal(["Warning: web (process 7) does not answer"], _log.Lines);
    }

    [Fact]
    public async Task An_answer_between_ends_the_row()
    {
        string[] five = [.. Enumerable.Repeat("silence", 5)];
        Task<bool> hung = Watch([.. five, "yes", .. five, "yes"]);
        await PassAsync(TimeSpan.FromMinutes(5), hung);
        Assert.False(hung.IsCompleted);
        Assert.Contains("Information: web (process 7) answers again", _log.Lines);
        await EndAsync(hung);
    }

    [Fact]
    public async Task A_connection_that_is_refused_counts_no_faster()
    {
        Task<bool> hung = Watch("no", "no", "no", "no", "no", "no");
        await PassAsync(TimeSpan.FromSeconds(34), hung);
        Assert.False(hung.IsCompleted);
        await PassAsync(TimeSpan.FromSeconds(2), hung);
        Assert.True(await hung);
    }

    [Fact]
    public async Task What_could_not_be_asked_says_nothing_of_the_child()
    {
        Task<bool> hung = Watch([.. Enumerable.Repeat("unasked", 50)]);
        await PassAsync(TimeSpan.FromMinutes(5), hung);
        Assert.False(hung.IsCompleted);
        await EndAsync(hung);
    }

    [Fact]
    public async Task A_child_that_a_signal_stopped_is_continued_at_its_first_silence_and_not_killed()
    {
        _state = ChildState.Stopped;
        Task<bool> hung = Watch("silence");
        await PassAsync(TimeSpan.FromSeconds(10), hung);
        Assert.Equal(1, _resumed);
        Assert.Equal(["Warning: web (process 7) was stopped by a signal: continued"], _log.Lines);
        await EndAsync(hung);
    }

    [Fact]
    public async Task A_child_that_a_debugger_holds_is_waited_for()
    {
        _state = ChildState.Traced;
        Task<bool> hung = Watch([.. Enumerable.Repeat("silence", 20), "yes"]);
        await PassAsync(TimeSpan.FromMinutes(10), hung);
        Assert.Equal(
            ["Warning: web (process 7) is held by a debugger: waiting for it",
             "Information: web (process 7) answers again"],
            _log.Lines);
        await EndAsync(hung);
    }

    [Fact]
    public async Task A_clock_that_leaps_while_all_are_stopped_costs_one_question()
    {
        Task<bool> hung = Watch("silence");
        await PassAsync(TimeSpan.FromSeconds(6), hung);
        _time.Advance(TimeSpan.FromHours(8));
        await PassAsync(TimeSpan.FromMinutes(1), hung);
        Assert.False(hung.IsCompleted);
        Assert.Empty(_log.Lines);
        await EndAsync(hung);
    }

    private Task<bool> Watch(params string[] answers)
    {
        foreach (string answer in answers) _answers.Enqueue(answer);
        var monitor = new LivenessMonitor("web", AnswerAsync, _time, _log);
        return monitor.IsHungAsync(
            new Address("127.0.0.1", 1), 7, () => _state, () => _resumed++, _ended.Token);
    }

    private async Task<bool?> AnswerAsync(Address at, CancellationToken deadline)
    {
        _asked++;
        string answer = _answers.Count > 0 ? _answers.Dequeue() : "yes";
        if (answer != "silence") return answer == "yes" ? true : answer == "no" ? false : null;
        var silence = new TaskCompletionSource();
        await using (deadline.Register(silence.SetResult)) await silence.Task;
        return false;
    }

    // Second by second: what waits for one timer sets the next one.
    private async Task PassAsync(TimeSpan span, Task hung)
    {
        for (int second = 0; second < span.TotalSeconds && !hung.IsCompleted; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }
    }

    private async Task EndAsync(Task<bool> hung)
    {
        await _ended.CancelAsync();
        Assert.False(await hung);
    }
}
