// `letterbox send` at a terminal asks for what is missing.

using Letterbox.Hosting;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class SendTests
{
    [Fact]
    public async Task At_a_terminal_it_asks_for_the_name_and_the_message()
    {
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(["store"]);
        await using LetterboxProcess send = LetterboxProcess.Launch(
            ["send", "--socket", $"{store.Socket}"], under: Terminal.Columns(80));
        await send.TypeAsync("Ann\nfirst line\nsecond line\n\u0004");
        await send.Output.SeeAsync("OK [0-9a-f]{24}$");
        Assert.Equal(ExitStatus.Ok, await send.EndedAsync());
        await send.Output.EndAsync();
        Assert.Matches("(?s)Your name: .*Your message; end it with Ctrl-D", send.Output.Text);
        Assert.Equal(["Ann|first line\nsecond line"], JournalRows.Messages(store.Data));
    }

    [Fact]
    public async Task A_name_that_was_given_is_not_asked_for()
    {
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(["store"]);
        await using LetterboxProcess send = LetterboxProcess.Launch(
            ["send", "--username", "Ann", "--socket", $"{store.Socket}"], under: Terminal.Columns(80));
        await send.TypeAsync("hello\n\u0004");
        await send.Output.SeeAsync("OK [0-9a-f]{24}$");
        Assert.DoesNotContain("Your name", send.Output.Text, StringComparison.Ordinal);
        Assert.Equal(["Ann|hello"], JournalRows.Messages(store.Data));
    }
}
