// What impatient and forgetful people do to a form: click twice, reload, go back and send again. One key from
// the page to the store makes one message of it.

using Letterbox.Tests.Support;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Letterbox.Tests.Browser;

[Collection<InTheBrowser>]
public sealed class IdempotenceTests(Chromium chromium, OpenLetterbox letterbox) : IAsyncLifetime
{
    private IPage _page = null!;

    public async ValueTask InitializeAsync()
    {
        _page = await chromium.OpenAsync(letterbox.Url);
        await _page.GotoAsync("/message");
    }

    public async ValueTask DisposeAsync() => await _page.Context.CloseAsync();

    [Fact]
    public async Task A_double_click_leaves_one_message()
    {
        await FillAsync("clicked twice");
        await _page.GetByRole(AriaRole.Button, new() { Name = "Send" }).DblClickAsync();
        await ThankedAsync();
        AssertStored("clicked twice");
    }

    [Fact]
    public async Task A_form_that_is_also_sent_by_others_under_its_key_leaves_one_message()
    {
        // Two requests at once for certain, whatever a browser makes of a double click.
        await FillAsync("sent three times");
        string key = await KeyAsync();
        IAPIResponse[] answers = await Task.WhenAll(PostAsync(key), PostAsync(key));
        Assert.All(answers, static answer => Assert.Equal(303, answer.Status));
        await SendAsync();
        Assert.Equal(key, await ThankedAsync());
        AssertStored("sent three times");
    }

    [Fact]
    public async Task A_reload_after_sending_leaves_one_message_and_the_same_receipt()
    {
        await FillAsync("reloaded");
        await SendAsync();
        string receipt = await ThankedAsync();
        await _page.ReloadAsync();
        Assert.Equal(receipt, await ThankedAsync());
        AssertStored("reloaded");
    }

    [Fact]
    public async Task A_reload_of_the_post_itself_leaves_one_message()
    {
        // The page that answers the first POST is the form again: reloading it repeats that POST.
        await FillAsync("posted again");
        string key = await KeyAsync();
        await _page.GetByLabel("Your name").FillAsync(new string('n', 65));
        await SendAsync();
        await Expect(_page.Locator("#username-problem")).ToBeVisibleAsync();
        await _page.ReloadAsync();
        await Expect(_page.Locator("#username-problem")).ToBeVisibleAsync();
        Assert.NotEqual(key, await KeyAsync());
        await _page.GetByLabel("Your name").FillAsync("krabaton");
        await SendAsync();
        await ThankedAsync();
        AssertStored("posted again");
    }

    [Fact]
    public async Task Back_and_send_again_unchanged_leaves_one_message_and_the_same_receipt()
    {
        await FillAsync("sent again");
        await SendAsync();
        string receipt = await ThankedAsync();
        await _page.GoBackAsync();
        await Expect(_page.GetByLabel("Your message")).ToHaveValueAsync("sent again");
        await SendAsync();
        Assert.Equal(receipt, await ThankedAsync());
        AssertStored("sent again");
    }

    [Fact]
    public async Task Back_and_send_another_text_says_that_it_is_new_and_the_next_send_leaves_it()
    {
        await FillAsync("first thought");
        await SendAsync();
        string receipt = await ThankedAsync();
        await _page.GoBackAsync();
        await FillAsync("second thought");
        await SendAsync();

        await Expect(_page.GetByRole(AriaRole.Alert)).ToContainTextAsync("is a new message");
        await Expect(_page.GetByLabel("Your message")).ToHaveValueAsync("second thought");
        Assert.NotEqual(receipt, await KeyAsync());
        AssertStored("first thought");
        await SendAsync();
        Assert.NotEqual(receipt, await ThankedAsync());
        AssertStored("first thought");
        AssertStored("second thought");
    }

    private async Task FillAsync(string text)
    {
        await _page.GetByLabel("Your message").FillAsync(text);
        await _page.GetByLabel("Your name").FillAsync("krabaton");
    }

    private Task<IAPIResponse> PostAsync(string key)
    {
        IFormData form = _page.APIRequest.CreateFormData();
        form.Set("id", key);
        form.Set("username", "krabaton");
        form.Set("message", "sent three times");
        return _page.APIRequest.PostAsync("/message", new() { Form = form, MaxRedirects = 0 });
    }

    private Task SendAsync() => _page.GetByRole(AriaRole.Button, new() { Name = "Send" }).ClickAsync();

    private Task<string> KeyAsync() => _page.Locator("input[name=id]").InputValueAsync();

    private async Task<string> ThankedAsync()
    {
        await Expect(_page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToContainTextAsync("Thank you");
        return await _page.Locator(".number").InnerTextAsync();
    }

    private void AssertStored(string text) =>
        Assert.Single(JournalRows.Texts(letterbox.Process.Data), stored => stored == text);
}
