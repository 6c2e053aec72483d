// The answer lines: what is written is what is read, and nothing else is an answer.

using System.Text;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Sockets;

public sealed class AnswerTests
{
    private static readonly MessageKey s_id = MessageKey.New(TimeProvider.System);

    [Fact]
    public void Each_receipt_has_its_line()
    {
        Assert.Equal($"OK {s_id}\n", Line(Receipt.Stored(s_id)));
        Assert.Equal("NO username is missing\n", Line(Receipt.Rejected("username is missing")));
        Assert.Equal("WAIT the queue is full\n", Line(Receipt.Later("the queue is full")));
    }

    [Fact]
    public void What_is_written_is_read_back()
    {
        Receipt[] receipts = [Receipt.Stored(s_id), Receipt.Rejected("x"), Receipt.Later("")];
        foreach (Receipt receipt in receipts)
        {
            Assert.True(Answer.TryRead(Cuts.Bytes(Line(receipt).TrimEnd('\n')), out Receipt read));
            Assert.Equal(receipt, read);
        }
    }

    [Fact]
    public void A_reason_is_one_short_line_of_printable_ASCII_whatever_it_was()
    {
        Assert.Equal("NO a?b?c??d\n", Line(Receipt.Rejected("a\nb\rc\u001b\u0436d")));
        Assert.Equal($"WAIT {new string('x', 200)}\n", Line(Receipt.Later(new string('x', 5000))));
    }

    [Theory]
    [InlineData("")]
    [InlineData("OK")]
    [InlineData("OK ")]
    [InlineData("OK 635d8f3a1c2b3a4d5e6f708")]
    [InlineData("OK 635d8f3a1c2b3a4d5e6f70811")]
    [InlineData("OK 635d8f3a1c2b3a4d5e6f708g")]
    [InlineData("ok 635d8f3a1c2b3a4d5e6f7081")]
    [InlineData("NOT now")]
    [InlineData("NO a\tb")]
    [InlineData("NO \u00ff")]
    [InlineData("WAIT")]
    [InlineData("HTTP/1.1 400 Bad Request")]
    public void Anything_else_is_no_answer(string line) =>
        Assert.False(Answer.TryRead(Cuts.Bytes(line), out _));

    [Fact]
    public void A_line_without_measure_is_no_answer() =>
        Assert.False(Answer.TryRead(Cuts.Bytes("NO " + new string('x', Answer.BytesMax)), out _));

    private static string Line(Receipt receipt)
    {
        byte[] line = new byte[Answer.BytesMax];
        return Encoding.ASCII.GetString(line, 0, Answer.Write(receipt, line));
    }
}
