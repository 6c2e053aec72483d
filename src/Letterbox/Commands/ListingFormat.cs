// How `letterbox messages` writes a message.
//
//    table   date, user name and message in columns, always one line per message
//    json    {"id":"…","date":"…","username":"…","message":"…"} and LF: one object per line
//    csv     RFC 4180: a header line, CRLF, quotes where needed; line breaks in a message are kept

using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Letterbox.Messages;

namespace Letterbox.Commands;

// A format may have state: use one object for one listing.
internal sealed class ListingFormat
{
    public static readonly string[] Names = ["table", "json", "csv"];

    // Relaxed, so that people can read it. Control characters are still escaped.
    private static readonly JsonWriterOptions s_readable =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private ListingFormat(string head, Func<StoredMessage, string> line) => (Head, Line) = (head, line);

    // The line before the first message, and a message as a line; both with their line break.
    public string Head { get; }

    public Func<StoredMessage, string> Line { get; }

    // A table is cut off at `columns`.
    public static ListingFormat For(string name, int columns) => name switch
    {
        "json" => new ListingFormat("", static message => Json(message)),
        "csv" => new ListingFormat("id,date,username,message\r\n", Csv),
        _ => Table(columns),
    };

    // The column of user names grows with the longest name so far: names that are still to come are unknown.
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

    // With the reason if it is in quarantine.
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
