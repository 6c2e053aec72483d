// Every case through the request reader alone: the result must not depend on how the bytes are split.

using System.Text;
using Letterbox.Http;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Conformance;

public sealed class ReaderTests
{
    private const int RunMin = 20;
    private static readonly HttpLimits s_limits = new();

    public static TheoryData<string> Ids { get; } = [.. ConformanceCase.All.Keys];

    [Theory, MemberData(nameof(Ids))]
    public void Reads_the_same_however_it_is_split(string id)
    {
        ConformanceCase c = ConformanceCase.All[id];
        byte[] bytes = c.Bytes(static name => $"\"{name}\"");
        var replay = new HttpReplay(s_limits);
        int whole = replay.Play(bytes, bytes.Length, bytes.Length);
        for (int cut = 1; cut < bytes.Length; cut++)
        {
            if (!IsWithinRun(bytes, cut)) Same(c, bytes, replay, whole, cut, bytes.Length);
        }

        Same(c, bytes, replay, whole, 1, 1);
    }

    [Theory, MemberData(nameof(Ids))]
    public void Reads_as_many_requests_as_are_answered(string id)
    {
        ConformanceCase c = ConformanceCase.All[id];
        byte[] bytes = c.Bytes(static name => $"\"{name}\"");
        var replay = new HttpReplay(s_limits);
        var log = new StringBuilder();
        replay.Play(bytes, bytes.Length, bytes.Length, log);
        string reason = c.Answers.Count > 0 ? c.Answers[^1].Reason : "";
        Assert.True(
            replay.EndsWithin == (c.Answers.Count == 0 || c.Answers[^1].Status == 0), $"{c.Place}: {log}");
        string rejection = replay.Rejection == Rejection.None ? "" : replay.Rejection.ToString();
        Assert.True(rejection == reason, $"{c.Place}: {log}");
        // What follows a request that closes the connection is read here, but not by a connection.
        Assert.True(c.Closes ? replay.Methods.Count >= c.Answers.Count
            : replay.Methods.Count == c.Answers.Count, $"{c.Place}: {log}");
    }

    [Fact]
    public void Every_rejection_has_a_case()
    {
        var shown = ConformanceCase.All.Values.SelectMany(
            static c => c.Answers).Select(static a => a.Reason).ToHashSet();
        // The last two depend on time and load, not on bytes: TimeoutTests, ConnectionTests.
        string[] all = [.. Enum.GetNames<Rejection>().Except(["None", "Timeout", "Overload"])];
        Assert.Empty(all.Except(shown));
    }

    [Fact]
    public void Every_reason_has_its_status_wherever_it_is_expected()
    {
        foreach (ConformanceCase c in ConformanceCase.All.Values)
        {
            foreach ((int status, string reason) in c.Answers.Where(static a => a.Reason.Length > 0))
                Assert.True(Rejections.Of(Enum.Parse<Rejection>(reason)).Status == status, c.Place);
        }
    }

    // Within a run of equal bytes a split is equivalent to the neighbouring one.
    private static bool IsWithinRun(byte[] bytes, int cut) =>
        cut >= RunMin && bytes.AsSpan(cut - RunMin) is { Length: >= 2 * RunMin } around
        && around[..(2 * RunMin)].IndexOfAnyExcept(around[0]) < 0;

    private static void Same(
        ConformanceCase c, byte[] bytes, HttpReplay replay, int whole, int first, int then)
    {
        if (replay.Play(bytes, first, then) == whole) return;
        StringBuilder expected = new(), cut = new();
        replay.Play(bytes, bytes.Length, bytes.Length, expected);
        replay.Play(bytes, first, then, cut);
        Assert.Fail($"{c.Place}: cut after {first}, then every {then}\n{cut}\nwhole:\n{expected}");
    }
}
