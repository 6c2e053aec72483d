// Every state in which a visitor can see a page, brought about in a browser.

using Letterbox.Messages;
using Letterbox.Tests.Support;
using Microsoft.Playwright;

namespace Letterbox.Tests.Browser;

internal static class PageState
{
    public static string[] All { get; } =
    [
        "index", "form", "422", "413", "503", "new message",
        "thanks", "unknown receipt", "503 receipt", "404",
    ];

    public const string Text = "Hello there.\nSecond line.";

    /// <summary>Leaves the page in this state.</summary>
    public static async Task ShowAsync(this IPage page, SiteHost site, string state)
    {
        site.Store = state switch
        {
            "503" => static _ => Receipt.Later("away"),
            "new message" => static message => Receipt.Taken(message.Id),
            _ => static message => Receipt.Stored(message.Id),
        };
        site.Find = _ =>
            new FoundReceipt(state == "503 receipt" ? ReceiptState.Unavailable : ReceiptState.Unknown);
        string? path = state switch
        {
            "index" => "/",
            "form" => "/message",
            "unknown receipt" or "503 receipt" => $"/receipt/{MessageKey.New(TimeProvider.System)}",
            "404" => "/no-such-page",
            _ => null,
        };
        if (path is not null) await page.GotoAsync(path);
        else if (state == "422") await page.SendAsync(new string('n', 70), new string('x', 4005));
        else await page.SendAsync("Ann", state == "413" ? new string('x', 70_000) : Text);
    }

    /// <summary>Fills in the form and sends it.</summary>
    public static async Task<IResponse> SendAsync(this IPage page, string name, string text)
    {
        await page.GotoAsync("/message");
        await page.GetByLabel("Your message").FillAsync(text);
        await page.GetByLabel("Your name").FillAsync(name);
        var loaded = new TaskCompletionSource();
        page.Load += (_, _) => loaded.TrySetResult();
        IResponse answer = await page.RunAndWaitForResponseAsync(
            () => page.GetByRole(AriaRole.Button, new() { Name = "Send" }).ClickAsync(),
            static response => response.Request.Method == "POST");
        await loaded.Task.WaitAsync(TimeSpan.FromSeconds(30));
        return answer;
    }
}
