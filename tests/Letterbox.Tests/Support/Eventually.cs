// Waiting for what other processes do, where nothing tells that it is done.

using System.Diagnostics;

namespace Letterbox.Tests.Support;

/// <summary>Looks again and again.</summary>
public static class Eventually
{
    /// <summary>Returns as soon as the condition holds; fails when a minute was not enough.</summary>
    public static async Task IsAsync(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromMinutes(1), "it did not come about");
            await Task.Delay(10);
        }
    }
}
