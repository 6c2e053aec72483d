// The objects that `letterbox import` accepts.
//
//    {"id":"635d8a1a9c3e5f0011223344","date":"2022-10-29 20:20:58.020261","username":"…","message":"…"}
//    {"_id":{"$oid":"635d8a1a9c3e5f0011223344"},"date":"…","username":"…","message":"…"}
//
// `letterbox messages --format json` writes the first, mongoexport the second. All four fields are required,
// in any order. Any other field is an error: it would be lost without notice.

using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Unicode;
using Letterbox.Messages;

namespace Letterbox.Commands;

/// <summary>Decodes one object. Pure: no I/O, no state.</summary>
internal static class ImportFormat
{
    public static bool TryRead(
        ReadOnlySpan<byte> json, [NotNullWhen(true)] out StoredMessage? message,
        [NotNullWhen(false)] out string? failure)
    {
        failure = Read(json, out message);
        return message is not null;
    }

    private static string? Read(ReadOnlySpan<byte> json, out StoredMessage? message)
    {
        message = null;
        if (json.IsEmpty) return $"longer than {ImportReader.ObjectBytesMax} bytes";
        if (!Utf8.IsValid(json)) return "not valid UTF-8";
        try
        {
            var fields = new Dictionary<string, string>(StringComparer.Ordinal);
            return ReadFields(json, fields) ?? Make(fields, out message);
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

    private static string? ReadFields(ReadOnlySpan<byte> json, Dictionary<string, string> fields)
    {
        var reader = new Utf8JsonReader(json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return "not a JSON object";
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            if (name is not ("id" or "_id" or "date" or "username" or "message"))
                return $"\"{DisplayText.Visible(name)}\" is not a field of a message";
            reader.Read();
            string? value = name == "_id" ? ObjectIdValue(ref reader) : StringValue(ref reader);
            if (value is null) return name == "_id" ? "_id is not an ObjectId" : $"{name} is not a string";
            if (name == "_id") name = "id";
            if (!fields.TryAdd(name, value)) return $"{name} is given twice";
        }

        // Throws if there is text after the closing brace.
        reader.Read();
        return null;
    }

    private static string? StringValue(ref Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.String ? reader.GetString() : null;

    // {"$oid":"…"}: from the opening brace to the closing one.
    private static string? ObjectIdValue(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) return null;
        if (!reader.Read() || reader.TokenType != JsonTokenType.PropertyName) return null;
        if (!reader.ValueTextEquals("$oid"u8) || !reader.Read()) return null;
        string? digits = StringValue(ref reader);
        return reader.Read() && reader.TokenType == JsonTokenType.EndObject ? digits : null;
    }

    private static string? Make(Dictionary<string, string> fields, out StoredMessage? message)
    {
        message = null;
        // With a new key, a second import would store the message twice.
        if (!fields.TryGetValue("id", out string? key)) return "id is missing";
        if (!fields.TryGetValue("date", out string? date)) return "date is missing";
        if (!StoredMessage.TryParseDate(date, out _)) return "date is not like 2022-10-29 20:20:58.020261";
        if (!MessageKey.TryParse(key, out MessageKey id)) return "id is not 24 hex digits";
        string? username = fields.GetValueOrDefault("username"), text = fields.GetValueOrDefault("message");
        if (!Message.TryCreate(id, username, text, out _, out FieldError? error)) return error.Reason;
        message = new StoredMessage(id, date, username!, text!);
        return null;
    }
}
