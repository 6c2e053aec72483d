// How `letterbox messages` writes a message.
//
//    table   date, user name and message in columns; one message is always one line
//    json    {"id":"…","date":"…","username":"…","message":"…"} and LF: one object a line
//    csv     RFC 4180: a header line, CRLF, quotes where needed; line breaks in a message stay as they are

using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Letterbox.Messages;

namespace Letterbox.Commands;

/// <summary>
/// One way to write messages. May remember what it wrote before: one object for one listing.
/// </summary>
internal sealed class ListingFormat
{
    // Relaxed: what is to be read by people stays readable. Control characters are escaped all the same.
    private static readonly JsonWriterOptions s_readable =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private ListingFormat(string head, Func<StoredMessage, string> line) => (Head, Line) = (head, line);

    /// <summary>What comes before the first message, with its line break.</summary>
    public string Head { get; }

    /// <summary>A message as a line, with its line break.</summary>
    public Func<StoredMessage, string> Line { get; }

    /// <summary>The format of that name, or null. A table is cut at <paramref name="columns"/>.</summary>
    public static ListingFormat? For(string name, int columns) => name switch
    {
        "table" => Table(columns),
        "json" => new ListingFormat("", static message => Json(message)),
        "csv" => new ListingFormat("id,date,username,message\r\n", Csv),
        _ => null,
    };

    // The column of user names begins narrow and grows with the widest one so far: a table that is written
    // while messages come in cannot know what will come.
    private static ListingFormat Table(int columns)
    {
        int nameColumns = 12;
        return new ListingFormat(Row("date", "username", "message"), message =>
        {
            string name = DisplayText.Visible(message.Username);
            nameColumns = Math.Max(nameColumns, DisplayText.Columns(name));
            return Row(message.Date, name, DisplayText.Visible(message.Text));
        });

        string Row(string date, string name, string text)
        {
            string pad = new(' ', nameColumns - DisplayText.Columns(name));
            return DisplayText.Cut($"{date,-26}  {name}{pad}  {text}", columns) + "\n";
        }
    }

    /// <summary>
    /// A message as a line of JSON; with why it is in quarantine, for those that are.
    /// </summary>
    public static string Json(StoredMessage message, string? reason = null)
    {
        var line = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(line, s_readable))
        {
            json.WriteStartObject();
            json.WriteString("id"u8, message.Id.ToString());
            json.WriteString("date"u8, message.Date);
            json.WriteString("username"u8, message.Username);
            json.WriteString("message"u8, message.Text);
            if (reason is not null) json.WriteString("reason"u8, reason);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(line.WrittenSpan) + "\n";
    }

    private static string Csv(StoredMessage message) =>
        $"{message.Id},{message.Date},{CsvField(message.Username)},{CsvField(message.Text)}\r\n";

    private static string CsvField(string text) => text.AsSpan().IndexOfAny("\",\r\n") < 0
        ? text
        : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
