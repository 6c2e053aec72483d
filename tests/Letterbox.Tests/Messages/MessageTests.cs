// The message: its key, its rules, its two encodings.

using System.Text;
using System.Text.Json;
using Letterbox.Messages;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Messages;

public sealed class MessageTests
{
    [Theory]
    [InlineData("abc", 3)]
    [InlineData("a\r\nb", 3)]
    [InlineData("a\nb\rc", 5)]
    [InlineData("\r\r\n\n", 3)]
    [InlineData("📬📬", 2)]
    [InlineData("", 0)]
    public void Letters_count_as_a_person_counts(string text, int characters) =>
        Assert.Equal(characters, Message.CountCharacters(Encoding.UTF8.GetBytes(text)));

    [Theory]
    [InlineData("x")]
    [InlineData("ж")]
    [InlineData("📬")]
    [InlineData("\r\n")]
    public void Every_letter_has_the_same_room(string letter)
    {
        Assert.Null(Failure(Repeat(letter, 64), Repeat(letter, 4000)));
        Assert.Equal(
            "username is 1 character too long: it has 65, 64 is the maximum",
            Failure(Repeat(letter, 65), "b"));
        Assert.Equal(
            "message is 20 characters too long: it has 4020, 4000 is the maximum",
            Failure("a", Repeat(letter, 4020)));
    }

    [Theory]
    [InlineData(null, "b", "username is missing")]
    [InlineData("", "b", "username is empty")]
    [InlineData("a", null, "message is missing")]
    [InlineData("a", "", "message is empty")]
    [InlineData("a", " ", null)]
    public void Both_fields_must_be_there(string? username, string? text, string? error) =>
        Assert.Equal(error, Failure(username, text));

    [Theory]
    [InlineData('\ud83d', 'x')]
    [InlineData('x', '\ud83d')]
    [InlineData('\udcec', '\ud83d')]
    public void Half_a_surrogate_pair_is_no_text(char first, char second) =>
        Assert.Equal("message is not valid Unicode", Failure("a", new string([first, second])));

    [Theory]
    [MemberData(nameof(Texts.Legal), MemberType = typeof(Texts))]
    public void Both_encodings_carry_every_legal_text_as_it_is(string name)
    {
        string text = Texts.Of(name);
        string form = "message=" + Uri.EscapeDataString(text) + "&username=" + Uri.EscapeDataString(text);
        byte[] scratch = new byte[form.Length];
        Assert.Null(MessageFields.ReadForm(Encoding.UTF8.GetBytes(form), scratch, out MessageFields fields));
        AssertHolds(text, fields);

        byte[] json = JsonSerializer.SerializeToUtf8Bytes(new { username = text, message = text });
        Assert.Null(MessageFields.ReadJson(json, new byte[json.Length], out fields));
        AssertHolds(text, fields);
    }

    [Fact]
    public void A_message_without_a_key_gets_one_here_and_a_key_that_came_with_it_is_kept()
    {
        Assert.Null(Read("username=a&message=b"u8, out Message? first));
        Assert.Null(Read("username=a&message=b"u8, out Message? second));
        Assert.NotEqual(first!.Id, second!.Id);

        Assert.Null(Read("id=635D8F3A1C2B3A4D5E6F7081&username=a&message=b"u8, out Message? third));
        Assert.Equal("635d8f3a1c2b3a4d5e6f7081", third!.Id.ToString());
        FieldError? error = Read("id=&username=a&message=b"u8, out _);
        Assert.Equal(new FieldError("id", "is not 24 hex digits"), error);
    }

    private static FieldError? Read(ReadOnlySpan<byte> form, out Message? message)
    {
        Assert.Null(MessageFields.ReadForm(form, new byte[form.Length], out MessageFields fields));
        return fields.ToMessage(TimeProvider.System, out message);
    }

    private static void AssertHolds(string text, MessageFields fields)
    {
        Assert.False(fields.Has(MessageField.Id));
        Assert.Equal(text, Encoding.UTF8.GetString(fields.Username));
        Assert.Equal(text, Encoding.UTF8.GetString(fields.Text));
    }

    private static string Repeat(string letter, int times) => string.Concat(Enumerable.Repeat(letter, times));

    private static string? Failure(string? username, string? text)
    {
        bool made = Message.TryCreate(default, username, text, out Message? message, out FieldError? error);
        Assert.Equal(made, message is not null);
        Assert.Equal(made, error is null);
        return error?.Reason;
    }
}
