// The pages in a real browser, from the front door to the receipt: what a person sees and does.

using System.Text.RegularExpressions;
using Letterbox.Tests.Support;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Letterbox.Tests.Browser;

[Collection<InTheBrowser>]
public sealed partial class BrowserTests(Chromium chromium, OpenLetterbox letterbox) : IAsyncDisposable
{
    // Longer than any line of a phone, and with no place to break it.
    private const string LongWord =
        "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft";

    private readonly List<IPage> _open = [];
    private readonly List<string> _complaints = [];

    [Fact]
    public async Task A_person_opens_the_page_leaves_a_message_and_is_given_a_receipt()
    {
        IPage page = await OpenAsync("/");
        await page.GetByRole(AriaRole.Main)
            .GetByRole(AriaRole.Link, new() { Name = "Leave a message" }).ClickAsync();
        await page.GetByLabel("Your message").FillAsync(
            "First message\nПривіт, скринько & <b>friends</b> 📬");
        await page.GetByLabel("Your name").FillAsync("krabaton");
        string key = await page.Locator("input[name=id]").InputValueAsync();
        IResponse answer = await page.RunAndWaitForResponseAsync(
            () => page.GetByRole(AriaRole.Button, new() { Name = "Send" }).ClickAsync(),
            response => response.Request.Method == "POST");

        Assert.Equal(303, answer.Status);
        await Expect(page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToContainTextAsync("Thank you");
        string receipt = await page.Locator(".number").InnerTextAsync();
        Assert.Matches(Receipt, receipt);
        Assert.Equal(key, receipt);
        Assert.Empty(_complaints);
    }

    [Fact]
    public async Task The_form_can_be_filled_in_and_sent_with_the_keyboard_alone()
    {
        IPage page = await OpenAsync("/message");
        await page.GetByLabel("Your message").FocusAsync();
        await page.Keyboard.TypeAsync("Typed");
        await page.Keyboard.PressAsync("Tab");
        await page.Keyboard.TypeAsync("krabaton");
        await page.Keyboard.PressAsync("Tab");
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator(".number")).ToHaveTextAsync(Receipt);
    }

    [Fact]
    public async Task Every_view_of_the_form_carries_a_fresh_key_and_nothing_is_wrong_yet()
    {
        IPage page = await OpenAsync("/message");
        string first = await page.Locator("input[name=id]").InputValueAsync();
        Assert.Matches(Receipt, first);
        string[] displays = await page.Locator(".problem").EvaluateAllAsync<string[]>(
            "problems => problems.map(problem => getComputedStyle(problem).display)");
        Assert.Equal(["none", "none", "none"], displays);
        await Expect(page).ToHaveTitleAsync("Leave a message · Letterbox");
        await Expect(page.GetByLabel("Your message")).ToHaveValueAsync("");
        await page.ReloadAsync();
        Assert.NotEqual(first, await page.Locator("input[name=id]").InputValueAsync());
    }

    [Fact]
    public async Task A_name_that_is_too_long_brings_the_form_back_filled_in_with_the_reason_at_its_field()
    {
        const string text = "\nThe first line is empty, and \"this\" is <b>no markup</b> &amp; stays so.";
        IPage page = await OpenAsync("/message");
        IResponse answer = await SendAsync(page, username: LongWord, text);

        Assert.Equal(422, answer.Status);
        ILocator name = page.GetByLabel("Your name"), message = page.GetByLabel("Your message");
        await Expect(name).ToHaveValueAsync(LongWord);
        await Expect(message).ToHaveValueAsync(text);
        await Expect(page.GetByRole(AriaRole.Alert)).Not.ToBeEmptyAsync();
        await Expect(page.Locator("#username-problem")).ToContainTextAsync("64");
        await Expect(page.Locator("#message-problem")).ToBeHiddenAsync();
        // The reason is what a screen reader adds to the field, and the field looks it.
        string reason = await page.Locator("#username-problem").InnerTextAsync();
        await Expect(name).ToHaveAccessibleDescriptionAsync(reason);
        Assert.NotEqual(await EdgeAsync(message), await EdgeAsync(name));
    }

    [Fact]
    public async Task An_unknown_path_shows_the_error_page()
    {
        IPage page = await NewPageAsync();
        IResponse? answer = await page.GotoAsync("/no-such-page");
        Assert.Equal(404, answer!.Status);
        await Expect(page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveTextAsync("404 Not Found");
        await page.GetByRole(AriaRole.Main).GetByRole(AriaRole.Link).ClickAsync();
        await Expect(page).ToHaveURLAsync(letterbox.Url.ToString());
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/message")]
    public async Task A_page_keeps_its_own_content_security_policy(string path)
    {
        IPage page = await NewPageAsync();
        IResponse? answer = await page.GotoAsync(path, new() { WaitUntil = WaitUntilState.Load });
        string? policy = await answer!.HeaderValueAsync("content-security-policy");
        Assert.Contains("default-src 'none'", policy, StringComparison.Ordinal);
        // A style sheet that the policy kept out would leave the page bare, and be complained of.
        Assert.NotEqual("rgba(0, 0, 0, 0)", await BackgroundAsync(page));
        Assert.True(await page.Locator("header img").EvaluateAsync<bool>("image => image.naturalWidth > 0"));
        Assert.Empty(_complaints);
    }

    [Fact]
    public async Task Light_and_dark_are_as_the_person_has_set_them()
    {
        IPage light = await OpenAsync("/"), dark = await OpenAsync("/", scheme: ColorScheme.Dark);
        Assert.NotEqual(await BackgroundAsync(light), await BackgroundAsync(dark));
    }

    [Theory]
    [InlineData("/", ColorScheme.Light)]
    [InlineData("/", ColorScheme.Dark)]
    [InlineData("/message", ColorScheme.Light)]
    [InlineData("/message", ColorScheme.Dark)]
    [InlineData("/" + LongWord, ColorScheme.Light)]
    [InlineData("/" + LongWord, ColorScheme.Dark)]
    public async Task No_page_is_wider_than_a_phone(string path, ColorScheme scheme)
    {
        IPage page = await NewPageAsync(width: 360, scheme);
        await page.GotoAsync(path);
        await AssertFitsAsync(page);
    }

    [Fact]
    public async Task The_form_with_its_reasons_and_the_receipt_are_not_wider_than_a_phone()
    {
        IPage page = await NewPageAsync(width: 360);
        await page.GotoAsync("/message");
        await SendAsync(page, username: LongWord, text: LongWord);
        await Expect(page.Locator("#username-problem")).ToBeVisibleAsync();
        await AssertFitsAsync(page);
        await SendAsync(page, username: "krabaton", text: LongWord);
        await Expect(page.Locator(".number")).ToBeVisibleAsync();
        await AssertFitsAsync(page);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (IPage page in _open) await page.Context.CloseAsync();
    }

    [GeneratedRegex("^[0-9a-f]{24}$")]
    private static partial Regex Receipt { get; }

    private async Task<IPage> OpenAsync(string path, ColorScheme scheme = ColorScheme.Light)
    {
        IPage page = await NewPageAsync(scheme: scheme);
        IResponse? answer = await page.GotoAsync(path);
        Assert.Equal(200, answer!.Status);
        return page;
    }

    private async Task<IPage> NewPageAsync(int width = 1280, ColorScheme scheme = ColorScheme.Light)
    {
        IPage page = await chromium.OpenAsync(letterbox.Url, width, scheme);
        _open.Add(page);
        page.Console += (_, said) => { if (said.Type is "error" or "warning") _complaints.Add(said.Text); };
        page.PageError += (_, error) => _complaints.Add(error);
        page.RequestFailed += (_, request) => _complaints.Add($"{request.Url}: {request.Failure}");
        return page;
    }

    private static async Task<IResponse> SendAsync(IPage page, string username, string text)
    {
        await page.GetByLabel("Your message").FillAsync(text);
        await page.GetByLabel("Your name").FillAsync(username);
        return await page.RunAndWaitForResponseAsync(
            () => page.GetByRole(AriaRole.Button, new() { Name = "Send" }).ClickAsync(),
            response => response.Request.Method == "POST");
    }

    private static async Task AssertFitsAsync(IPage page)
    {
        int width = await page.EvaluateAsync<int>("document.documentElement.scrollWidth");
        int room = await page.EvaluateAsync<int>("innerWidth");
        Assert.True(width <= room, $"{page.Url} is {width} wide, {room} is there");
    }

    private static Task<string> BackgroundAsync(IPage page) =>
        page.EvaluateAsync<string>("getComputedStyle(document.documentElement).backgroundColor");

    private static Task<string> EdgeAsync(ILocator field) =>
        field.EvaluateAsync<string>("field => getComputedStyle(field).borderTopColor");
}
