// How `letterbox messages` writes a message.
//
//    table   short id, date, user name and message in columns, always one line per message
//    json    {"id":"…","date":"…","username":"…","message":"…"} and LF: one object per line
//    csv     a header line, CRLF, quotes where needed; line breaks in a message are kept: CsvFormat.cs
//    whole   one message with its line breaks
//
// On a terminal, control characters and those that change the direction of text are written as escapes.

using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Letterbox.Messages;

namespace Letterbox.Commands;

// The line before the first message, and a message as a line; both with their line break.
internal sealed record ListingFormat(string Head, Func<StoredMessage, string> Line)
{
    public static readonly string[] Names = ["table", "json", "csv"];

    // Digits of the short id, from the end of the key: the first ones are its time.
    public const int ShortIdLength = 8;

    // Columns of a table: whole seconds; a name, and the least that is left for the text.
    private const int DateColumns = 19, NameColumns = 16, TextColumnsMin = 20;

    // Relaxed, so that people can read it. Control characters are still escaped.
    private static readonly JsonWriterOptions s_readable =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // `name` is one of Names. `columns` of a terminal, on which a table is cut off; null: not a terminal.
    public static ListingFormat For(string name, int? columns) => name switch
    {
        "json" => new ListingFormat("", message => Json(message, isTerminal: columns is not null)),
        "csv" when columns is null => new ListingFormat(
            $"{CsvFormat.ByteOrderMark}{CsvFormat.Header}\r\n", message => Csv(message, static text => text)),
        "csv" => new ListingFormat($"{CsvFormat.Header}\r\n", message => Csv(message, DisplayText.Visible)),
        _ => new ListingFormat(
            Row("id", "date", "username", "message", columns),
            message => Row(
                message.Id.ToString()[^ShortIdLength..],
                Seconds(message.Date), message.Username, message.Text, columns)),
    };

    public static ListingFormat Whole { get; } = new("", static message =>
        $"""
        id        {message.Id}
        date      {DisplayText.Visible(message.Date)}
        username  {DisplayText.Visible(message.Username)}

        {string.Join('\n', message.Text.ReplaceLineEndings("\n").Split('\n').Select(DisplayText.Visible))}


        """);

    // With the reason if it is in quarantine.
    public static string Json(StoredMessage message, string? reason = null, bool isTerminal = false)
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

        string text = Encoding.UTF8.GetString(line.WrittenSpan);
        return (isTerminal ? DisplayText.Visible(text, JsonEscape) : text) + "\n";
    }

    // Still JSON: a character beyond the basic plane is a surrogate pair.
    private static string JsonEscape(Rune rune) => string.Concat(
        rune.ToString().Select(static c => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}")));

    private static string Csv(StoredMessage message, Func<string, string> show) => CsvFormat.Line(
        message.Id.ToString(), show(message.Date), show(message.Username), show(message.Text));

    // Another program's document may have any text as its date.
    private static string Seconds(string date)
    {
        string shown = DisplayText.Visible(date);
        return shown[..Math.Min(DateColumns, shown.Length)];
    }

    private static string Row(string id, string date, string username, string text, int? columns)
    {
        string name = DisplayText.Visible(username);
        if (columns is not null) name = DisplayText.Cut(name, NameColumns);
        string pad = new(' ', Math.Max(0, NameColumns - DisplayText.Columns(name)));
        string start = $"{id,-ShortIdLength}  {date,-DateColumns}  {name}{pad}  ";
        string shown = DisplayText.Visible(text);
        if (columns is { } all)
            shown = DisplayText.Cut(shown, Math.Max(TextColumnsMin, all - DisplayText.Columns(start)));
        return $"{start}{shown}\n";
    }
}
