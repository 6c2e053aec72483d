// A form that cannot be sent as it is: nothing that was typed is lost, and the page shows where to go on.

using Letterbox.Tests.Support;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Letterbox.Tests.Browser;

[Collection<InTheBrowser>]
public sealed class WrongFormTests(Chromium chromium) : IAsyncDisposable
{
    private readonly SiteHost _site = new();
    private IPage? _page;

    public async ValueTask DisposeAsync()
    {
        if (_page is not null) await _page.Context.CloseAsync();
        await _site.DisposeAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_is_pasted_is_not_cut_and_comes_back_whole(bool script)
    {
        string text = string.Concat(Enumerable.Repeat("👩", 4005)), name = new('n', 66);
        IPage page = await OpenAsync(script);
        await page.GotoAsync("/message");
        await PasteAsync(page, "Your message", text);
        await PasteAsync(page, "Your name", name);
        await Expect(page.Locator("#message-left")).ToHaveTextAsync(script ? "5 characters too long" : "");
        await page.GetByRole(AriaRole.Button).ClickAsync();
        await Expect(page).ToHaveTitleAsync("Error: Leave a message · Letterbox");
        await Expect(page.GetByLabel("Your message")).ToHaveValueAsync(text);
        await Expect(page.GetByLabel("Your name")).ToHaveValueAsync(name);
        Assert.Empty(_site.Delivered);
    }

    [Fact]
    public async Task What_is_left_is_shown_near_the_end()
    {
        IPage page = await OpenAsync();
        await page.GotoAsync("/message");
        ILocator left = page.Locator("#message-left");
        await page.GetByLabel("Your message").FillAsync("hello");
        await Expect(left).ToBeHiddenAsync();
        await page.GetByLabel("Your message").FillAsync(string.Concat(Enumerable.Repeat("📬\n", 1999)));
        await Expect(left).ToHaveTextAsync("2 characters left");
        await page.GetByLabel("Your message").FillAsync(new string('x', 3999));
        await Expect(left).ToHaveTextAsync("1 character left");
    }

    [Theory]
    [InlineData("nnn", "\u3000", "message")]
    [InlineData("\u200B", "hello", "username")]
    [InlineData("\u200B", "\u3000", "message")]
    public async Task The_first_wrong_field_has_the_focus_and_each_is_marked(
        string name, string text, string first)
    {
        IPage page = await OpenAsync();
        await page.SendAsync(name, text);
        Assert.Equal(first, await page.EvaluateAsync<string>("document.activeElement.id"));
        await AssertMarkedAsync("Your name", wrong: name != "nnn");
        await AssertMarkedAsync("Your message", wrong: text != "hello");

        async Task AssertMarkedAsync(string label, bool wrong)
        {
            ILocator field = page.GetByLabel(label);
            await Expect(field).ToHaveAttributeAsync("aria-invalid", wrong ? "true" : "false");
            await Expect(field).ToHaveAccessibleDescriptionAsync(wrong ? $"{label} is blank." : "");
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task From_413_there_is_a_way_back_to_the_text(bool script)
    {
        string text = new('x', 70_000);
        IPage page = await OpenAsync(script);
        IResponse answer = await page.SendAsync("Ann", text);
        Assert.Equal(413, answer.Status);
        await Expect(page.Locator(".lead")).ToContainTextAsync("go back with your browser");
        ILocator back = page.GetByRole(AriaRole.Button, new() { Name = "Back to your text" });
        await Expect(back).ToHaveCountAsync(script ? 1 : 0);
        if (script) await back.ClickAsync();
        else await page.GoBackAsync();
        await Expect(page.GetByLabel("Your message")).ToHaveValueAsync(text);
        await Expect(page.GetByLabel("Your name")).ToHaveValueAsync("Ann");
    }

    [Fact]
    public async Task A_text_from_right_to_left_is_typed_from_right_to_left()
    {
        IPage page = await OpenAsync();
        await page.GotoAsync("/message");
        foreach (string label in new[] { "Your message", "Your name" })
        {
            await page.GetByLabel(label).FillAsync("שלום");
            await Expect(page.GetByLabel(label)).ToHaveCSSAsync("direction", "rtl");
        }
    }

    [Fact]
    public async Task A_store_that_is_away_leaves_the_text_and_says_what_to_do()
    {
        IPage page = await OpenAsync();
        await page.ShowAsync(_site, "503");
        await Expect(page.GetByRole(AriaRole.Alert)).ToHaveTextAsync(
            "We could not store your message just now. Your text is below; press Send again in a moment.");
        await Expect(page.GetByLabel("Your message")).ToHaveValueAsync(PageState.Text);
    }

    private async Task<IPage> OpenAsync(bool script = true) =>
        _page = await chromium.OpenAsync(_site.Client.BaseAddress!, script: script);

    // As the clipboard does: the browser may cut it.
    private static async Task PasteAsync(IPage page, string label, string text)
    {
        await page.GetByLabel(label).FocusAsync();
        await page.Keyboard.InsertTextAsync(text);
    }
}
