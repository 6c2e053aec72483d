// What nobody waits for ends the process rather than unseen.

using Letterbox.Hosting;

namespace Letterbox.Tests.Hosting;

public sealed class BackgroundTests
{
    [Fact]
    public async Task An_exception_that_nobody_would_see_ends_the_process_with_its_name()
    {
        var ends = new List<(string What, Exception Failure)>();
        var failure = new InvalidOperationException("unexpected");
        await Background.Run("accepting", async () =>
        {
            await Task.Yield();
            throw failure;
        }, (what, why) => ends.Add((what, why)));
        Assert.Equal([("accepting: failed unexpectedly", failure)], ends);
    }

    [Fact]
    public async Task What_ends_as_it_should_ends_nothing_else()
    {
        await Background.Run("accepting", () => Task.CompletedTask, (what, _) => Assert.Fail(what));
    }
}
