// Every page in every state: nothing that axe-core objects to, and nothing out of place on a phone, a tablet,
// a desktop or on paper.

using Deque.AxeCore.Playwright;
using Letterbox.Tests.Support;
using Microsoft.Playwright;

namespace Letterbox.Tests.Browser;

[Collection<InTheBrowser>]
public sealed class LayoutTests(Chromium chromium) : IAsyncDisposable
{
    private readonly SiteHost _site = new();
    private readonly List<IPage> _open = [];

    public static TheoryData<string> States => [.. PageState.All];

    public async ValueTask DisposeAsync()
    {
        foreach (IPage page in _open) await page.Context.CloseAsync();
        await _site.DisposeAsync();
    }

    [Theory, MemberData(nameof(States))]
    public async Task A_page_is_accessible_and_fits(string state)
    {
        foreach (ColorScheme scheme in new[] { ColorScheme.Light, ColorScheme.Dark })
        {
            IPage page = await ShowAsync(state, 320, scheme);
            foreach (int width in new[] { 320, 768, 1280 })
            {
                await page.SetViewportSizeAsync(width, 800);
                int wide = await page.EvaluateAsync<int>("document.documentElement.scrollWidth");
                Assert.InRange(wide, 0, width);
                if (width == 768) continue;
                var found = (await page.RunAxe()).Violations;
                Assert.True(found.Length == 0, $"{state}, {width} px, {scheme}: {string.Join(", ", found
                    .Select(static violation => $"{violation.Id} {violation.Nodes[0].Html}"))}");
            }
        }
    }

    [Theory]
    [InlineData(320)]
    [InlineData(1280)]
    public async Task The_slot_is_wider_than_the_envelope_and_the_envelope_wider_than_high(int width)
    {
        IPage page = await ShowAsync("index", width);
        LocatorBoundingBoxResult letter = await BoxAsync(page, ".letter");
        LocatorBoundingBoxResult slot = await BoxAsync(page, ".slot");
        Assert.InRange(letter.Width, letter.Height * 1.2, slot.Width * 0.8);
        Assert.Equal(letter.X + (letter.Width / 2), slot.X + (slot.Width / 2), 1.0);
    }

    [Theory]
    [InlineData(320)]
    [InlineData(1280)]
    public async Task The_postmark_is_one_line_within_its_ring(int width)
    {
        IPage page = await ShowAsync("thanks", width);
        int[] sizes = await page.Locator(".postmark").EvaluateAsync<int[]>(
            """
            mark => {
              const word = document.createRange();
              word.selectNodeContents(mark);
              return [word.getClientRects().length, mark.scrollWidth, mark.clientWidth];
            }
            """);
        Assert.Equal(1, sizes[0]);
        Assert.InRange(sizes[1], 0, sizes[2]);
    }

    [Theory]
    [InlineData("index", 320)]
    [InlineData("index", 768)]
    [InlineData("index", 1280)]
    [InlineData("thanks", 768)]
    [InlineData("thanks", 1280)]
    public async Task Notes_stand_in_one_row_or_in_one_column(string state, int width)
    {
        IPage page = await ShowAsync(state, width);
        int[] tops = await page.Locator(".notes > div").EvaluateAllAsync<int[]>(
            "notes => notes.map(note => Math.round(note.getBoundingClientRect().top))");
        int rows = tops.Distinct().Count();
        Assert.True(rows == 1 || rows == tops.Length, $"{rows} rows of {tops.Length} notes");
    }

    [Theory]
    [InlineData("thanks", ".proof .notes")]
    [InlineData("404", ".returned")]
    public async Task A_wide_page_is_used_to_its_right_edge(string state, string last)
    {
        IPage page = await ShowAsync(state, 1280);
        LocatorBoundingBoxResult main = await BoxAsync(page, "main"), box = await BoxAsync(page, last);
        Assert.Equal(main.X + main.Width, box.X + box.Width, 1.0);
    }

    [Theory, MemberData(nameof(States))]
    public async Task Paper_is_white_whatever_the_visitor_has_chosen(string state)
    {
        IPage page = await ShowAsync(state, 1280, ColorScheme.Dark);
        await page.EmulateMediaAsync(new() { Media = Media.Print });
        Assert.Equal("rgb(255, 255, 255)", await ColourAsync(page, "backgroundColor"));
        Assert.Equal("rgb(21, 24, 30)", await ColourAsync(page, "color"));
        if (state == "thanks")
            await Assertions.Expect(page.Locator(".slip time")).ToContainTextAsync($"{DateTime.Now.Year}");
    }

    private async Task<IPage> ShowAsync(string state, int width, ColorScheme scheme = ColorScheme.Light)
    {
        IPage page = await chromium.OpenAsync(_site.Client.BaseAddress!, width, scheme);
        _open.Add(page);
        await page.ShowAsync(_site, state);
        return page;
    }

    private static Task<string> ColourAsync(IPage page, string property) =>
        page.EvaluateAsync<string>($"getComputedStyle(document.documentElement).{property}");

    private static async Task<LocatorBoundingBoxResult> BoxAsync(IPage page, string selector) =>
        (await page.Locator(selector).BoundingBoxAsync())!;
}
