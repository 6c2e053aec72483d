// Legal texts that have broken programs before: each must arrive byte for byte as typed.

using Letterbox.Messages;

namespace Letterbox.Tests.Support;

/// <summary>Texts by name, so that a test's name says which one failed.</summary>
internal static class Texts
{
    private static readonly Dictionary<string, string> s_texts = new(StringComparer.Ordinal)
    {
        ["plain"] = "First message",
        ["separators"] = "a&b=c&message=x&username=y&&==",
        ["plus and percent"] = "1+1 = 100% %41 %zz %",
        ["quotes"] = "\"'`\\\"\\n{}[]<>",
        ["line breaks"] = "one\ntwo\r\nthree\rfour\n",
        ["a line feed first"] = "\nx",
        ["spaces"] = "  two  before and after  \t",
        ["NUL"] = "\0a\0b\0",
        ["controls"] = string.Concat(Enumerable.Range(0, 32).Select(i => (char)i)) + "x\u007f\u0080\u009f",
        ["Cyrillic"] = "Привет, почтовый ящик!",
        ["emoji"] = "📬👩‍👩‍👧‍👦🏳️‍🌈",
        ["not normalised"] = "e\u0301 \u00e9 \ufb01 \u212b",
        ["edges of Unicode"] = "\u007f\u0080\u07ff\u0800\ud7ff\ue000\ufeff\ufffd\uffff\U00010000\U0010ffff",
        ["looks like JSON"] = """{"username":"x","message":"y"}""",
        ["looks like an answer"] = "OK 635d8f3a1c2b3a4d5e6f7081\nNO\nWAIT",
        ["4,000 letters of one byte"] = new string('x', 4000),
        ["4,000 letters of four bytes"] = string.Concat(Enumerable.Repeat("📬", 4000)),
        ["3,999 line breaks"] = string.Concat(Enumerable.Repeat("\r\n", 3999)) + "x",
    };

    /// <summary>The names, one a test case.</summary>
    public static TheoryData<string> Legal => [.. s_texts.Keys];

    /// <summary>The text of that name.</summary>
    public static string Of(string name) => s_texts[name];

    /// <summary>A legal message, with a fresh key unless it is given one.</summary>
    public static Message Message(string username, string text, MessageKey? id = null)
    {
        MessageKey key = id ?? MessageKey.New(TimeProvider.System);
        bool legal = Letterbox.Messages.Message.TryCreate(
            key, username, text, out Message? message, out var failure);
        Assert.True(legal, failure?.Reason);
        return message!;
    }
}
