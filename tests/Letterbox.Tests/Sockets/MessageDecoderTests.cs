// The dialects, without a network: every input whole, cut in two at every place, byte by byte, and twice in a
// row.

using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Sockets;

public sealed class MessageDecoderTests
{
    private const string Id = "635d8f3a1c2b3a4d5e6f7081";

    /// <summary>Input that ends by itself, and what it is: `user: text`, or `NO reason`.</summary>
    public static TheoryData<string, string> Closed => new()
    {
        { "username=krabaton&message=First+message\n", "krabaton: First message" },
        { "username=krabaton&message=First+message\r\n", "krabaton: First message" },
        { "message=b&username=a\n", "a: b" },
        { $"id={Id}&username=a&message=b\n", $"{Id} a: b" },
        { "button=x&username=a&message=b&&=&c\n", "a: b" },
        { "username=a&message=%26%3D%2B%25%22%27%0D%0A%00+%F0%9F%93%AC\n", "a: &=+%\"'\r\n\0 📬" },
        { "username=a&message=100%\n", "a: 100%" },
        { "username=a&message=100%zz%4\n", "a: 100%zz%4" },
        { "us%65rname=a&message=b\n", "a: b" },
        { """{"username":"krabaton","message":"First message"}""", "krabaton: First message" },
        { """{"username":"a","message":"}{\"\\"}""", "a: }{\"\\" },
        { """{"username":"a","message":"b","more":{"x":[{}]}}""", "a: b" },
        { """{"username":"a","message":"\ud83d\udcec\u0000\n"}""", "a: 📬\0\n" },
        { $$"""{"id":"{{Id}}","username":"a","message":"b"}""", $"{Id} a: b" },
        { "{\n  \"username\": \"a\",\n  \"message\": \"b\"\n}", "a: b" },
        { "{\r\n\r\n\"username\" :\n\n\"a\"\n,\n\"message\":\"b\",\"n\":12\n,\"m\":[true\n]}", "a: b" },
        { "\u00ef\u00bb\u00bf{\"username\":\"a\",\"message\":\"b\"}", "a: b" },
        { "\u00ef\u00bb\u00bfusername=a&message=b\n", "a: b" },
        { "\0\0\0\u0014username=a&message=b", "a: b" },
        { "\0\0\0\u0015username=a&message=b\n", "a: b" },
        { "\0\0\0\u001e{\"username\":\"a\",\"message\":\"b\"}", "a: b" },
        { "\0\0\0\u001f{\"username\":\"a\",\"message\":\"b\"}\n", "a: b" },

        { "garbage\n", "NO username is missing" },
        { "username=a\n", "NO message is missing" },
        { "username=&message=b\n", "NO username is empty" },
        { "username=a&message=\n", "NO message is empty" },
        { "username=a&message=%E3%80%80+%0A\n", "NO message is blank" },
        { "username=a&message=b&_charset_=windows-1251\n",
            "NO only text in UTF-8 is accepted, and this names another charset" },
        { "username=a&message\n", "NO message is empty" },
        { "username=a&username=b&message=c\n", "NO username is given twice" },
        { "id=1&username=a&message=b\n", "NO id is not 24 hex digits" },
        { "username=a&message=%FF\n", "NO message is not valid UTF-8" },
        { "username=a&message=\u00ff\n", "NO message is not valid UTF-8" },
        { "username=\u00ed\u00a0\u0080&message=b\n", "NO username is not valid UTF-8" },
        { "\u0016\u0003\u0001\u0002\n", "NO username is missing" },
        { "GET / HTTP/1.1\r\n", "NO username is missing" },
        { "{}", "NO username is missing" },
        { "{broken\n", "NO the message is not valid JSON" },
        { "{\"username\":\"a\n", "NO the message is not valid JSON" },
        { "{\n\"username\":\"a\"\n\"message\":\"b\"\n", "NO the message is not valid JSON" },
        { "{'username': 'a', 'message': 'b'}", "NO the message is not valid JSON" },
        { """{"username":1,"message":"b"}""", "NO username is not a JSON string" },
        { """{"username":"a","message":null}""", "NO message is not a JSON string" },
        { """{"username":"a","message":"b","message":"c"}""", "NO message is given twice" },
        { """{"username":"a","message":"\ud800"}""", "NO the message is not valid Unicode" },
        { "{\"username\":\"a\",\"message\":\"\u00ff\"}", "NO the message is not valid UTF-8" },
        { """{"username":"a","message":"b",}""", "NO the message is not valid JSON" },
        { "\0\0\0\u0003abc", "NO username is missing" },
        { "\0\0\0\u0002[]", "NO username is missing" },
        { "\0\0\0\u0003{}x", "NO the message is not valid JSON" },
        { "\0\0\0\u0001{", "NO the message is not valid JSON" },
    };

    /// <summary>Input that only the end of the stream ends.</summary>
    public static TheoryData<string, string> Open => new()
    {
        { "username=krabaton&message=First+message", "krabaton: First message" },
        { "username=a&message=b\r", "a: b" },
        { "username=a", "NO message is missing" },
        { """{"username":"a","message":"b" """, "NO the message is cut off" },
        { "{\n\"username\":\"a\",\n", "NO the message is cut off" },
        { "\0", "NO the message is cut off" },
        { "\0\0\0\u0014", "NO the message is cut off" },
        { "\0\0\0\u0014username=a&message=", "NO the message is cut off" },
    };

    [Theory]
    [MemberData(nameof(Closed))]
    public void A_message_that_ends_by_itself_is_found_however_it_is_cut(string input, string expected)
    {
        foreach (byte[][] cut in Cuts.Of(Cuts.Bytes(input)))
            Assert.Equal([expected], Play(cut, ended: false));
        foreach (byte[][] cut in Cuts.Of(Cuts.Bytes(input + input + "\r\n \t" + input)))
            Assert.Equal([expected, expected, expected], Play(cut, ended: false));
        foreach (byte[][] cut in Cuts.Of(Cuts.Bytes(input + "username=tail&message=x")))
            Assert.Equal([expected, "tail: x"], Play(cut, ended: true));
    }

    [Theory]
    [MemberData(nameof(Open))]
    public void A_message_that_does_not_end_is_judged_at_the_streams_end(string input, string expected)
    {
        foreach (byte[][] cut in Cuts.Of(Cuts.Bytes(input)))
        {
            Assert.Empty(Play(cut, ended: false));
            Assert.Equal([expected], Play(cut, ended: true));
        }

        foreach (byte[][] cut in Cuts.Of(Cuts.Bytes("username=first&message=x\n" + input)))
            Assert.Equal(["first: x", expected], Play(cut, ended: true));
    }

    [Theory]
    [InlineData("\0\0\0\0")]
    [InlineData("\0\u0001\0\u0001")]
    [InlineData("\0\u00ff\u00ff\u00ff")]
    public void A_length_out_of_bounds_is_the_end_of_the_connection(string input)
    {
        byte[] stream = Cuts.Bytes("username=a&message=b\n" + input + "username=c&message=d\n");
        foreach (byte[][] cut in Cuts.Of(stream))
            Assert.Equal(["a: b", "NO! the length is not between 1 and 65536"], Play(cut, ended: false));
    }

    [Theory]
    [InlineData("username=a&message=", "", "\n")]
    [InlineData("{\"username\":\"a\",\"message\":\"", "\"}", "")]
    public void The_longest_encoded_message_is_taken_and_one_byte_more_ends_the_connection(
        string head, string tail, string end)
    {
        string fill = new('x', Message.EncodedBytesMax - head.Length - tail.Length);
        byte[] longest = Cuts.Bytes(head + fill + tail + end);
        byte[] longer = Cuts.Bytes(head + fill + "x" + tail + end);
        string excess = $"message is {fill.Length - 4000} characters too long";
        foreach (byte[][] cut in Cuts.Of(longest, 997))
            Assert.Equal([$"NO {excess}: it has {fill.Length}, 4000 is the maximum"], Play(cut, false));
        foreach (byte[][] cut in Cuts.Of(longer, 997))
            Assert.Equal(["NO! the message is too long"], Play(cut, ended: false));
    }

    [Theory]
    [InlineData("x")]
    [InlineData("{")]
    [InlineData("{\n")]
    [InlineData("{\"a\":\"")]
    [InlineData("{\"a\":[0,\n0")]
    public void A_message_without_an_end_is_rejected_when_it_gets_too_long(string head)
    {
        byte[] endless = Cuts.Bytes(head + new string(head[0] == 'x' ? 'x' : ' ', Message.EncodedBytesMax));
        foreach (byte[][] cut in Cuts.Of(endless, 4001))
            Assert.Equal(["NO! the message is too long"], Play(cut, ended: false));
    }

    [Fact]
    public void Nesting_without_end_is_no_JSON()
    {
        string deep = "{\"a\":" + new string('[', 1000) + new string(']', 1000) + "}";
        Assert.Equal(["NO the message is not valid JSON"], Play([Cuts.Bytes(deep)], ended: false));
        string lines = "{\"a\":" + string.Concat(Enumerable.Repeat("[\n", 1000));
        Assert.Equal("NO the message is not valid JSON", Play([Cuts.Bytes(lines)], ended: false)[0]);
    }

    [Theory]
    [InlineData("username=a&message=b", "a: b")]
    [InlineData("username=a", "NO message is missing")]
    [InlineData("{\"username\":\"a\"\n", "NO the message is not valid JSON")]
    [InlineData("{\"username\":\"a\"", null)]
    [InlineData("\0\0\0\u0014username=a", null)]
    [InlineData("\nusername=a&message=b", null)]
    public void A_sender_that_waits_has_sent_all_there_is_of_a_form_or_a_line(string input, string? expected)
    {
        var decoder = new MessageDecoder(TimeProvider.System);
        byte[] bytes = Cuts.Bytes(input);
        bytes = bytes[decoder.Decode(bytes, Ending.Open).Consumed..];
        Decoded decoded = decoder.Decode(bytes, Ending.Quiet);
        if (expected is null) Assert.Equal(DecodeStatus.NeedMore, decoded.Status);
        else Assert.Equal(expected, Describe(decoded));
    }

    [Fact]
    public void A_stream_that_begins_with_a_line_feed_ends_every_form_with_one()
    {
        foreach (byte[][] cut in Cuts.Of(Cuts.Bytes("\nusername=a&message=b\n\nusername=c&message=d")))
        {
            Assert.Equal(["a: b"], Play(cut, ended: false));
            Assert.Equal(["a: b", "NO the message is cut off"], Play(cut, ended: true));
        }
    }

    [Theory]
    [MemberData(nameof(Closed))]
    [MemberData(nameof(Open))]
    public void A_datagram_is_one_message_of_any_dialect(string input, string expected)
    {
        Assert.Equal(expected, Datagram(input));
        // What a line feed ends is no longer cut off: it is broken.
        if (!expected.EndsWith("cut off", StringComparison.Ordinal))
            Assert.Equal(expected, Datagram("\r\n" + input + "\n"));
    }

    [Theory]
    [InlineData("", "NO the datagram is empty")]
    [InlineData("\r\n", "NO the datagram is empty")]
    [InlineData("{}{}", "NO the datagram holds more than one message")]
    [InlineData("username=a&message=b\nusername=c&message=d", "NO the datagram holds more than one message")]
    [InlineData("\0\0\0\u0001xy", "NO the datagram holds more than one message")]
    public void A_datagram_is_one_message_and_nothing_else(string input, string expected) =>
        Assert.Equal(expected, Datagram(input));

    [Fact]
    public void Any_bytes_are_a_message_or_a_fault_and_every_decoder_gets_on()
    {
        var random = new Random(20221029);
        byte[] alphabet = Cuts.Bytes("\0\0\n\r {}[]\":,\\u09afnt%+&=\u00ff\u00f0username=a&message=b");
        for (int round = 0; round < 20_000; round++)
        {
            byte[] input = new byte[random.Next(1, 60)];
            for (int i = 0; i < input.Length; i++) input[i] = alphabet[random.Next(alphabet.Length)];
            List<string> whole = Play([input], ended: true);
            Assert.Equal(whole, Play([.. input.Select(b => new[] { b })], ended: true));
            int at = random.Next(input.Length);
            Assert.Equal(whole, Play([input[..at], input[at..]], ended: true));
        }
    }

    private static string Datagram(string input) =>
        Describe(MessageDecoder.DecodeDatagram(Cuts.Bytes(input), TimeProvider.System));

    // Feeds the pieces as a session does: what is not consumed is given again, with more behind it.
    private static List<string> Play(byte[][] pieces, bool ended)
    {
        var decoder = new MessageDecoder(TimeProvider.System);
        var found = new List<string>();
        byte[] held = new byte[pieces.Sum(p => p.Length)];
        int start = 0, end = 0;
        foreach (byte[] piece in pieces)
        {
            piece.CopyTo(held, end);
            end += piece.Length;
            if (!Drain(Ending.Open)) return found;
        }

        if (ended && Drain(Ending.Ended)) Assert.Equal(end, start);
        return found;

        bool Drain(Ending ending)
        {
            while (true)
            {
                Decoded decoded = decoder.Decode(held.AsSpan(start, end - start), ending);
                start += decoded.Consumed;
                if (decoded.Status == DecodeStatus.NeedMore) return true;
                Assert.True(decoded.Consumed > 0);
                found.Add(Describe(decoded));
                if (decoded.Status == DecodeStatus.OutOfSync) return false;
            }
        }
    }

    private static string Describe(Decoded decoded) => decoded.Status switch
    {
        DecodeStatus.Complete when decoded.Message!.Id.ToString() == Id =>
            $"{Id} {decoded.Message.Username}: {decoded.Message.Text}",
        DecodeStatus.Complete => $"{decoded.Message!.Username}: {decoded.Message.Text}",
        DecodeStatus.Rejected => $"NO {decoded.Reason}",
        DecodeStatus.OutOfSync => $"NO! {decoded.Reason}",
        _ => "nothing",
    };
}
