// The letterbox that the browser tests open: the real executable, one for all of them.

using Letterbox.Tests.Support;

namespace Letterbox.Tests.Browser;

/// <summary>A letterbox that is open for messages as long as the fixture lives.</summary>
public sealed class OpenLetterbox : IAsyncLifetime
{
    private LetterboxProcess? _letterbox;

    /// <summary>The running program.</summary>
    internal LetterboxProcess Process =>
        _letterbox ?? throw new InvalidOperationException("the letterbox is not open yet");

    /// <summary>Where its pages are.</summary>
    public Uri Url => new(Process.Http.ToUrl());

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => _letterbox = await LetterboxProcess.StartAsync();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_letterbox is not null) await _letterbox.DisposeAsync();
    }
}
