// The letterbox that the browser tests open: one for all of them.

namespace Letterbox.Tests.Browser;

/// <summary>A letterbox that is open for messages as long as the fixture lives.</summary>
public sealed class OpenLetterbox
{
    /// <summary>Where its pages are.</summary>
    public Uri Url { get; } = new(
        Environment.GetEnvironmentVariable("LETTERBOX_TEST_URL")
        ?? throw new InvalidOperationException("LETTERBOX_TEST_URL names no letterbox"));
}
