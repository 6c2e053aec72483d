// The key under which a form is stored: sent again unchanged, changed, and when another message has its key.

using System.Net;
using Letterbox.Messages;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Site;

public sealed class FormKeyTests : IAsyncDisposable
{
    private readonly SiteHost _site = new();
    private readonly Dictionary<MessageKey, Message> _stored = [];

    public FormKeyTests() => _site.Store = Store;

    public ValueTask DisposeAsync() => _site.DisposeAsync();

    [Fact]
    public async Task A_fresh_form_goes_under_its_key()
    {
        Dictionary<string, string> form = await OpenAsync("hello");
        Assert.Equal("", form["text-digest"]);
        Assert.Equal(form["id"], await ThankedAsync(form));
    }

    [Fact]
    public async Task A_returned_form_keeps_its_key_unchanged_and_gets_another_when_changed()
    {
        Dictionary<string, string> form = await OpenAsync("line\r\ntwo & \"three\"");
        string key = form["id"];
        form = await ComesBackAsync(form, HttpStatusCode.ServiceUnavailable);
        Assert.Equal(key, form["id"]);
        var changed = new Dictionary<string, string>(form) { ["message"] = "corrected" };
        string another = await ThankedAsync(changed);
        Assert.NotEqual(key, another);
        Assert.Equal(key[..8], another[..8]);
        // A double click, and "back".
        Assert.Equal(another, await ThankedAsync(changed));
        Assert.Equal(key, await ThankedAsync(form));
        Assert.NotEqual(another, await ThankedAsync(new(changed) { ["username"] = "anna" }));
        Assert.Equal(3, _stored.Count);
    }

    [Fact]
    public async Task A_changed_form_that_is_returned_again_keeps_its_new_key()
    {
        Dictionary<string, string> form =
            await ComesBackAsync(await OpenAsync("first"), HttpStatusCode.ServiceUnavailable);
        form["message"] = "second";
        Dictionary<string, string> again = await ComesBackAsync(form, HttpStatusCode.ServiceUnavailable);
        Assert.NotEqual(form["id"], again["id"]);
        Assert.Equal(again["id"], await ThankedAsync(again));
        Assert.Equal(again["id"], await ThankedAsync(form));
        Assert.Single(_stored);
    }

    [Fact]
    public async Task An_invalid_form_is_returned_with_a_new_key()
    {
        Dictionary<string, string> form = await OpenAsync("hello");
        form["username"] = new string('n', 65);
        Dictionary<string, string> rejected = await ComesBackAsync(form, HttpStatusCode.UnprocessableEntity);
        Assert.NotEqual(form["id"], rejected["id"]);
        // An attacker who sees that page cannot know under which key it will be sent.
        Take(form["id"]);
        Take(rejected["id"]);
        rejected["username"] = "ann";
        string key = await ThankedAsync(rejected);
        Assert.Equal(key, await ThankedAsync(rejected));
        Assert.Equal(3, _stored.Count);
    }

    [Fact]
    public async Task A_first_text_that_may_be_stored_keeps_its_key_through_a_text_that_is_rejected()
    {
        Dictionary<string, string> form =
            await ComesBackAsync(await OpenAsync("first"), HttpStatusCode.ServiceUnavailable);
        Dictionary<string, string> rejected = await ComesBackAsync(
            new(form) { ["message"] = new string('x', 4001) }, HttpStatusCode.UnprocessableEntity);
        rejected["message"] = "first";
        Assert.Equal(form["id"], await ThankedAsync(rejected));
    }

    [Fact]
    public async Task Going_back_and_changing_the_text_asks_for_confirmation_and_then_stores_both()
    {
        Dictionary<string, string> form = await OpenAsync("first");
        string first = await ThankedAsync(form);
        form["message"] = "second";
        using HttpResponseMessage response = await PostAsync(form);
        string page = await response.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
        Assert.Contains("is a new message and is not stored yet", page, StringComparison.Ordinal);
        Dictionary<string, string> again = FormFields.Of(page);
        Assert.Equal("second", again["message"]);
        string second = await ThankedAsync(again);
        Assert.NotEqual(first, second);
        // Repeating both steps is still the same message.
        Assert.Equal(again["id"], (await ComesBackAsync(form, HttpStatusCode.UnprocessableEntity))["id"]);
        Assert.Equal(second, await ThankedAsync(again));
        Assert.Equal(2, _stored.Count);
    }

    [Fact]
    public async Task An_attacker_who_knows_every_shown_key_costs_a_user_one_more_submission()
    {
        Dictionary<string, string> form = await OpenAsync("hello");
        Take(form["id"]);
        form = await ComesBackAsync(form, HttpStatusCode.UnprocessableEntity);
        Take(form["id"]);
        string key = await ThankedAsync(form);
        Assert.Equal(key, await ThankedAsync(form));
        Assert.Equal("hello", _stored[Parse(key)].Text);
    }

    [Fact]
    public async Task A_message_without_a_key_is_stored_even_if_its_generated_key_is_taken()
    {
        _site.Store = message => _site.Delivered.Count < 3 ? Receipt.Taken(message.Id) : Store(message);
        using HttpResponseMessage response = await _site.PostAsync("username=a&message=b");
        Assert.Equal(HttpStatusCode.SeeOther, response.StatusCode);
        Assert.Equal(3, _site.Delivered.Select(static message => message.Id).Distinct().Count());
    }

    [Fact]
    public async Task Keys_are_not_tried_without_end()
    {
        _site.Store = static message => Receipt.Taken(message.Id);
        using HttpResponseMessage response = await _site.PostAsync("username=a&message=b");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
        Assert.InRange(_site.Delivered.Count, 2, 10);
    }

    [Fact]
    public async Task A_key_chosen_by_a_program_that_is_taken_is_rejected()
    {
        string id = (await OpenAsync("x"))["id"];
        Take(id);
        using HttpResponseMessage response =
            await _site.PostAsync($"id={id}&username=a&message=b", accept: "application/json");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
        string problem = await response.Content.ReadAsStringAsync();
        Assert.Contains("already taken", problem, StringComparison.Ordinal);
        Assert.Single(_site.Delivered);
    }

    private Receipt Store(Message message)
    {
        if (_stored.TryAdd(message.Id, message)) return Receipt.Stored(message.Id);
        Message there = _stored[message.Id];
        bool same = there.Text == message.Text && there.Username == message.Username;
        return same ? Receipt.Stored(message.Id) : Receipt.Taken(message.Id);
    }

    private void Take(string key) => _stored.Add(Parse(key), Texts.Message("attacker", "x", Parse(key)));

    private async Task<Dictionary<string, string>> OpenAsync(string text)
    {
        Dictionary<string, string> form = FormFields.Of((await _site.GetAsync("message")).Content);
        form["username"] = "ann";
        form["message"] = text;
        return form;
    }

    // A 503 has stored it or not: here it has not.
    private async Task<Dictionary<string, string>> ComesBackAsync(
        Dictionary<string, string> form, HttpStatusCode status)
    {
        if (status == HttpStatusCode.ServiceUnavailable) _site.Store = static _ => Receipt.Later("away");
        using HttpResponseMessage response = await PostAsync(form);
        _site.Store = Store;
        Assert.Equal(status, response.StatusCode);
        Dictionary<string, string> back = FormFields.Of(await response.Content.ReadAsStringAsync());
        Assert.Equal((form["username"], form["message"]), (back["username"], back["message"]));
        return back;
    }

    private async Task<string> ThankedAsync(Dictionary<string, string> form)
    {
        using HttpResponseMessage response = await PostAsync(form);
        Assert.Equal(HttpStatusCode.SeeOther, response.StatusCode);
        return response.Headers.Location!.ToString()[^MessageKey.HexLength..];
    }

    private async Task<HttpResponseMessage> PostAsync(Dictionary<string, string> form)
    {
        using var content = new FormUrlEncodedContent(form);
        return await _site.Client.PostAsync("/message?send", content);
    }

    private static MessageKey Parse(string key)
    {
        Assert.True(MessageKey.TryParse(key, out MessageKey id));
        return id;
    }
}
