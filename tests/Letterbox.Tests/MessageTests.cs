// The message: its key, its rules, its two encodings.

namespace Letterbox.Tests;

public sealed class MessageTests
{
    [Theory]
    [InlineData("abc", 3)]
    [InlineData("a\r\nb", 3)]
    [InlineData("a\nb\rc", 5)]
    [InlineData("📬📬", 2)]
    [InlineData("", 0)]
    public void Letters_count_as_a_person_counts(string text, int letters) =>
        Assert.Equal(letters, Message.Letters(text));
}
