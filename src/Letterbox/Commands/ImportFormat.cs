// The objects that `letterbox import` accepts, besides lines of CSV (CsvFormat.cs).
//
//    {"id":"635d8a1a9c3e5f0011223344","date":"2022-10-29 20:20:58.020261","username":"…","message":"…"}
//    {"_id":{"$oid":"635d8a1a9c3e5f0011223344"},"date":"…","username":"…","message":"…"}
//
// `letterbox messages --format json` writes the first, mongoexport the second. All four fields are required,
// in any order. Any other field is an error: it would be lost without notice.

using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Letterbox.Messages;

namespace Letterbox.Commands;

internal static class ImportFormat
{
    // `found` is empty for an object that is too long: see ImportReader.
    public static bool TryRead(
        ReadOnlySpan<byte> found, bool isCsv, [NotNullWhen(true)] out StoredMessage? message,
        [NotNullWhen(false)] out string? failure)
    {
        message = null;
        if (found.IsEmpty) failure = $"longer than {ImportReader.ObjectBytesMax} bytes";
        else if (!Utf8.IsValid(found)) failure = "not valid UTF-8";
        else failure = isCsv ? ReadCsv(found, out message) : ReadJson(found, out message);
        return failure is null;
    }

    private static string? ReadCsv(ReadOnlySpan<byte> line, out StoredMessage? message)
    {
        message = null;
        // The carriage return belongs to the line end.
        if (line[^1] == (byte)'\r') line = line[..^1];
        return CsvFormat.TryRead(Encoding.UTF8.GetString(line), out List<string>? fields) && fields.Count == 4
            ? Make(fields[0], fields[1], fields[2], fields[3], out message)
            : "not four fields in quotes or without";
    }

    private static string? ReadJson(ReadOnlySpan<byte> json, out StoredMessage? message)
    {
        message = null;
        try
        {
            var reader = new Utf8JsonReader(json);
            JsonElement line = JsonElement.ParseValue(ref reader);
            // Throws if there is text after the closing brace.
            reader.Read();
            return ReadFields(line, out Dictionary<string, string> fields)
                ?? Make(
                    fields.GetValueOrDefault("id"), fields.GetValueOrDefault("date"),
                    fields.GetValueOrDefault("username"), fields.GetValueOrDefault("message"), out message);
        }
        catch (JsonException)
        {
            return "not a JSON object in one line";
        }
        catch (InvalidOperationException)
        {
            // An escape such as "\ud800" alone: valid JSON, but not text.
            return "not valid Unicode";
        }
    }

    private static string? ReadFields(JsonElement line, out Dictionary<string, string> fields)
    {
        fields = [];
        if (line.ValueKind != JsonValueKind.Object) return "not a JSON object";
        foreach (JsonProperty field in line.EnumerateObject())
        {
            string name = field.Name;
            if (name is not ("id" or "_id" or "date" or "username" or "message"))
                return $"\"{DisplayText.Visible(name)}\" is not a field of a message";
            JsonElement value = field.Value;
            if (name == "_id" && !IsObjectId(field.Value, out value)) return "_id is not an ObjectId";
            if (value.ValueKind != JsonValueKind.String) return $"{name} is not a string";
            if (name == "_id") name = "id";
            if (!fields.TryAdd(name, value.GetString()!)) return $"{name} is given twice";
        }

        return null;
    }

    private static bool IsObjectId(JsonElement value, out JsonElement digits)
    {
        digits = default;
        return value.ValueKind == JsonValueKind.Object && value.GetPropertyCount() == 1
            && value.TryGetProperty("$oid"u8, out digits) && digits.ValueKind == JsonValueKind.String;
    }

    private static string? Make(
        string? key, string? date, string? username, string? text, out StoredMessage? message)
    {
        message = null;
        // With a new key, a second import would store the message twice.
        if (key is null) return "id is missing";
        if (date is null) return "date is missing";
        if (!StoredMessage.TryParseDate(date, out _)) return "date is not like 2022-10-29 20:20:58.020261";
        if (!MessageKey.TryParse(key, out MessageKey id)) return "id is not 24 hex digits";
        if (!Message.TryCreate(id, username, text, out _, out FieldError? error)) return error.Reason;
        message = new StoredMessage(id, date, username!, text!);
        return null;
    }
}
