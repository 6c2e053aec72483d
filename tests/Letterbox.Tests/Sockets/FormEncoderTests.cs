// The web process's dialect: exact bytes, and every legal text comes out as it went in.

using System.Text;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Sockets;

public sealed class FormEncoderTests
{
    [Theory]
    [InlineData("First message", "First+message")]
    [InlineData("AZaz09*-._", "AZaz09*-._")]
    [InlineData("&=+%\"'~!()", "%26%3D%2B%25%22%27%7E%21%28%29")]
    [InlineData("\r\n\0\t", "%0D%0A%00%09")]
    [InlineData("Привет", "%D0%9F%D1%80%D0%B8%D0%B2%D0%B5%D1%82")]
    [InlineData("€ 📬", "%E2%82%AC+%F0%9F%93%AC")]
    public void Bytes_on_the_wire_are_those_of_the_URL_standard(string text, string encoded)
    {
        Message message = Texts.Message("krabaton", text);
        Assert.Equal($"id={message.Id}&username=krabaton&message={encoded}\n", Encode(message));
    }

    [Theory]
    [MemberData(nameof(Texts.Legal), MemberType = typeof(Texts))]
    public void Every_legal_text_comes_out_as_it_went_in(string name)
    {
        Message message = Texts.Message("user " + name, Texts.Of(name));
        string transport = Encode(message);
        Assert.Equal(transport.Length - 1, transport.IndexOf('\n'));
        Assert.InRange(transport.Length - 1, 1, Message.EncodedBytesMax);
        Decoded decoded = new MessageDecoder(TimeProvider.System).Decode(Cuts.Bytes(transport), Ending.Open);
        Assert.Equal(transport.Length, decoded.Consumed);
        Assert.Equal(message.Id, decoded.Message!.Id);
        Assert.Equal(message.Username, decoded.Message.Username);
        Assert.Equal(message.Text, decoded.Message.Text);
    }

    private static string Encode(Message message)
    {
        byte[] line = new byte[FormEncoder.BytesMax(message)];
        return Encoding.ASCII.GetString(line, 0, FormEncoder.Write(message, line));
    }
}
