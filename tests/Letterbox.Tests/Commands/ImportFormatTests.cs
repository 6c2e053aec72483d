// What import accepts and how it reports the rest, at every place where a read may end.

using System.Text;
using Letterbox.Commands;
using Letterbox.Messages;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Commands;

public sealed class ImportFormatTests
{
    private const string Id = "635d8a1a9c3e5f0011223344";
    private const string Date = "2022-10-29 20:20:58.020261";
    private const string Ours = $$"""{"id":"{{Id}}","date":"{{Date}}","username":"ann","message":"hello"}""";
    private const string Theirs =
        $$$"""{"_id":{"$oid":"{{{Id}}}"},"date":"{{{Date}}}","username":"ann","message":"hello"}""";

    public static TheoryData<string, string> Rejected => new()
    {
        { "", "" },
        { "x", "1: not a JSON object in one line" },
        { "12", "1: not a JSON object" },
        { """{"id":""", "1: not a JSON object in one line" },
        { "}", "1: not a JSON object in one line" },
        { "\xff", "1: not valid UTF-8" },
        { "{}", "1: id is missing" },
        { Ours.Replace("id", "Id"), "1: \"Id\" is not a field of a message" },
        { Ours.Replace("\"id\"", "\"__v\":1,\"id\""), "1: \"__v\" is not a field of a message" },
        { Ours.Replace(Id, "635d"), "1: id is not 24 hex digits" },
        { Ours.Replace($"\"{Id}\"", "7"), "1: id is not a string" },
        { Ours.Replace("date", "id"), "1: id is given twice" },
        { Ours.Replace("\"id\"", $"\"date\":\"{Date}\",\"id\""), "1: date is given twice" },
        { Ours.Replace($"\"date\":\"{Date}\",", ""), "1: date is missing" },
        { Ours.Replace(".020261", ""), "1: date is not like 2022-10-29 20:20:58.020261" },
        { Ours.Replace($"\"{Date}\"", """{"$date":"2022-10-29T20:20:58Z"}"""), "1: date is not a string" },
        { Ours.Replace(",\"username\":\"ann\"", ""), "1: username is missing" },
        { Ours.Replace("hello", ""), "1: message is empty" },
        {
            Ours.Replace("hello", new string('x', 4001)),
            "1: message is 1 character too long: it has 4001, 4000 is the maximum"
        },
        { Ours.Replace("hello", """\ud800"""), "1: not valid Unicode" },
        { Theirs.Replace("$oid", "$uuid"), "1: _id is not an ObjectId" },
        { Theirs.Replace($"{{\"$oid\":\"{Id}\"}}", $"\"{Id}\""), "1: _id is not an ObjectId" },
        { Theirs.Replace($"\"{Id}\"}}", $"\"{Id}\",\"more\":1}}"), "1: _id is not an ObjectId" },
        { "x\ny", "1: not a JSON object in one line 2: not a JSON object in one line" },
    };

    [Theory]
    [InlineData(Ours)]
    [InlineData(Ours + "\n")]
    [InlineData(Theirs + "\r\n")]
    [InlineData("[" + Theirs + "]\n")]
    [InlineData("[\n  " + Theirs + "\n]")]
    public void A_message_comes_out_as_it_went_in(string file)
    {
        foreach (string[] read in EveryReading(file)) Assert.Equal([$"1:{Date}|ann|hello"], OnLine1(read));

        // The one that stands behind a bracket and a line break is on line 2.
        static string[] OnLine1(string[] read) => [.. read.Select(static one => $"1{one[1..]}")];
    }

    [Theory]
    [MemberData(nameof(Rejected))]
    public void What_is_no_message_is_named_by_its_line(string file, string failures)
    {
        foreach (string[] read in EveryReading(file)) Assert.Equal(failures, string.Join(' ', read));
    }

    [Fact]
    public void A_broken_line_does_not_affect_its_neighbours()
    {
        string open = Ours.Replace("\"hello\"}", "\"he");
        string[] lines = [Ours, "", open, Ours, $"[{Theirs},{Theirs}]", "{{", Ours];
        string message = $"{Date}|ann|hello";
        const string failure = "not a JSON object in one line";
        string[] expected =
        [
            $"1:{message}", $"3: {failure}", $"4:{message}", $"5:{message}", $"5:{message}", $"6: {failure}",
            $"7:{message}",
        ];
        foreach (string[] read in EveryReading(string.Join('\n', lines))) Assert.Equal(expected, read);
    }

    [Fact]
    public void What_is_too_long_is_skipped_in_an_array_too()
    {
        string room = new(' ', ImportReader.ObjectBytesMax - Ours.Length);
        string longest = Ours.Replace("{", "{" + room);
        string message = $"1:{Date}|ann|hello";
        Assert.Equal([message, message], Read(longest + longest, 4096));
        string over = longest.Replace("{", "{ ");
        string failure = $"1: longer than {ImportReader.ObjectBytesMax} bytes";
        Assert.Equal([message, failure, message], Read($"[{Ours},{over},{Ours}]", 4096));
        Assert.Equal([failure], Read(over, 1 << 20));
    }

    [Theory]
    [MemberData(nameof(Texts.Legal), MemberType = typeof(Texts))]
    public void Every_text_comes_back_from_a_listing(string name) => ComesBack(Texts.Of(name));

    [Theory]
    [InlineData("=1+1")]
    [InlineData("'=1+1")]
    [InlineData("''=1+1")]
    [InlineData("'tis")]
    [InlineData("'")]
    [InlineData("\t-1")]
    [InlineData("\r\n@x")]
    [InlineData("\"=1\"")]
    [InlineData("\",\"")]
    [InlineData("a\r")]
    [InlineData("＝1")]
    [InlineData("id,date,username,message")]
    public void A_cell_that_is_no_formula_comes_back_as_it_was(string text) => ComesBack(text);

    private static void ComesBack(string text)
    {
        StoredMessage[] messages = [MongoMessages.At(0, text, "ann"), MongoMessages.At(1, text, "=ann")];
        foreach (string name in (string[])["json", "csv"])
        {
            ListingFormat format = ListingFormat.For(name, null);
            string file = format.Head + string.Concat(messages.Select(format.Line));
            foreach (int bytesMax in (int[])[1, 7, 1 << 20])
            {
                var reader = new ImportReader(new Drip(Encoding.UTF8.GetBytes(file), bytesMax));
                foreach (StoredMessage message in messages)
                {
                    Assert.True(reader.Read(out ReadOnlySpan<byte> found));
                    Assert.True(ImportFormat.TryRead(found, reader.IsCsv, out StoredMessage? back, out _));
                    Assert.Equal(message, back);
                }

                Assert.False(reader.Read(out _));
            }
        }
    }

    [Theory]
    [InlineData("x", "2: not four fields in quotes or without")]
    [InlineData("a,b,c,d,e", "2: not four fields in quotes or without")]
    [InlineData("a,b,c,\"d\"e", "2: not four fields in quotes or without")]
    [InlineData("a,b,c,\"d", "2: not four fields in quotes or without")]
    [InlineData("a,b,c,d", "2: date is not like 2022-10-29 20:20:58.020261")]
    [InlineData($"{Id},{Date},ann,", "2: message is empty")]
    [InlineData(
        $"{Id},{Date},ann,\"a\n\n\"\n\noops\n",
        $"2:{Date}|ann|a\n\n 6: not four fields in quotes or without")]
    public void A_line_of_csv_that_is_no_message_is_named_by_its_line(string lines, string expected)
    {
        foreach (string[] read in EveryReading($"{CsvFormat.Header}\r\n{lines}"))
            Assert.Equal(expected, string.Join(' ', read));
    }

    [Fact]
    public void A_byte_order_mark_is_skipped()
    {
        foreach (string[] read in EveryReading($"\uFEFF{Ours}")) Assert.Equal([$"1:{Date}|ann|hello"], read);
        foreach (string[] read in EveryReading("\uFEFF")) Assert.Empty(read);
    }

    private static IEnumerable<string[]> EveryReading(string file)
    {
        yield return Read(file, 1);
        yield return Read(file, 7);
        yield return Read(file, 1 << 20);
    }

    private static string[] Read(string file, int bytesMax)
    {
        byte[] bytes = file.Contains('\xff') ? Encoding.Latin1.GetBytes(file) : Encoding.UTF8.GetBytes(file);
        var reader = new ImportReader(new Drip(bytes, bytesMax));
        var read = new List<string>();
        while (reader.Read(out ReadOnlySpan<byte> found))
        {
            ImportFormat.TryRead(found, reader.IsCsv, out StoredMessage? message, out string? failure);
            read.Add(failure is not null
                ? $"{reader.Line}: {failure}"
                : $"{reader.Line}:{message!.Date}|{message.Username}|{message.Text}");
        }

        return [.. read];
    }

    /// <summary>Gives a few bytes at a time, as a pipe may.</summary>
    private sealed class Drip(byte[] bytes, int most) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(most, buffer.Length)]);
    }
}
