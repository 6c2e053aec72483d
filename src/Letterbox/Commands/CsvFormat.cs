// Messages as CSV, RFC 4180, written and read:
//
//    EF BB BF id,date,username,message CR LF                       UTF-8 with a byte order mark, for Excel
//    635d8a1a9c3e5f0011223344,2022-10-29 20:20:58.020261,ann,"say ""hi""" CR LF
//
// A spreadsheet may take a cell for a formula that begins with = + - @ (or their full-width forms), a tab or
// a line break. Such a cell gets a leading apostrophe, as OWASP recommends ("CSV Injection"), and so does one
// that begins with an apostrophe. Reading removes it again.

using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Letterbox.Commands;

internal static class CsvFormat
{
    public const string Header = "id,date,username,message";
    public const char ByteOrderMark = '\uFEFF';

    private const string Marked = "'=+-@\t\r\n＝＋－＠";

    public static string Line(params IEnumerable<string> fields) =>
        string.Join(',', fields.Select(Field)) + "\r\n";

    /// <summary>Reads one line, which may contain line breaks in quotes.</summary>
    public static bool TryRead(string line, [NotNullWhen(true)] out List<string>? fields)
    {
        fields = [];
        for (int at = 0; at <= line.Length; at++)
        {
            var field = new StringBuilder();
            if (at < line.Length && line[at] == '"')
            {
                for (at++; ; at++)
                {
                    int quote = line.IndexOf('"', at);
                    if (quote < 0) return false;
                    field.Append(line, at, quote - at);
                    at = quote + 1;
                    if (at == line.Length || line[at] != '"') break;
                    field.Append('"');
                }

                if (at < line.Length && line[at] != ',') return false;
            }
            else
            {
                int comma = line.IndexOf(',', at);
                int end = comma < 0 ? line.Length : comma;
                field.Append(line, at, end - at);
                at = end;
            }

            fields.Add(Unmark(field.ToString()));
        }

        return true;
    }

    private static string Field(string text)
    {
        if (NeedsMark(text)) text = $"'{text}";
        return text.AsSpan().IndexOfAny("\",\r\n") < 0
            ? text
            : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }

    private static string Unmark(string text) =>
        text.StartsWith('\'') && NeedsMark(text[1..]) ? text[1..] : text;

    private static bool NeedsMark(string text) => text.Length > 0 && Marked.Contains(text[0]);
}
