// A real browser for the tests: one Chromium, started once for all of them, a fresh profile for each.

using Microsoft.Playwright;

namespace Letterbox.Tests.Support;

/// <summary>
/// A headless Chromium that Playwright drives. Starting fails loudly where there is none: a browser test that
/// is skipped tells nothing. Nothing is downloaded; the browser is the one that the system has.
/// </summary>
public sealed class Chromium : IAsyncLifetime
{
    private const string Path = "/usr/bin/chromium";

    // The pages are on loopback: whatever the browser would like to fetch for itself is switched off.
    private static readonly string[] s_quiet =
    [
        // Root, which is what a container or a CI machine often runs as, has no sandbox.
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ];

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        Assert.True(File.Exists(Path), $"no Chromium at {Path}, apt-get install chromium");
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(
            new BrowserTypeLaunchOptions { ExecutablePath = Path, Headless = true, Args = s_quiet });
    }

    /// <summary>
    /// A window on an empty profile, <paramref name="width"/> CSS pixels wide; paths are relative to
    /// <paramref name="url"/>. Whoever opens it closes its <see cref="IPage.Context"/>.
    /// </summary>
    public async Task<IPage> OpenAsync(
        Uri url, int width = 1280, ColorScheme scheme = ColorScheme.Light, bool script = true)
    {
        IBrowserContext profile = await _browser!.NewContextAsync(new BrowserNewContextOptions
        {
            BaseURL = url.ToString(),
            ColorScheme = scheme,
            JavaScriptEnabled = script,
            ViewportSize = new ViewportSize { Width = width, Height = 800 },
        });
        return await profile.NewPageAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_browser is not null) await _browser.DisposeAsync();
        _playwright?.Dispose();
    }
}
