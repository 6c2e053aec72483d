// Reads C# just well enough to measure it: what is code and what is comment or literal, and where members
// begin and end.

using System.Text.RegularExpressions;

namespace Letterbox.Tests.Tidy;

/// <summary>A member of a type: its first line, counted from 1, and how many lines it has.</summary>
internal sealed record Member(int Line, int Lines);

/// <summary>One C# file.</summary>
internal sealed class CSharpText
{
    private const RegexOptions Linear = RegexOptions.NonBacktracking | RegexOptions.Singleline;

    private static readonly Regex s_container = new(
        @"^((public|private|protected|internal|file|static|sealed|abstract|partial|readonly|ref|unsafe)\s+)*"
        + @"(class|struct|interface|record|enum|namespace)\s", Linear);

    private readonly string _source;
    private readonly char[] _code;

    public CSharpText(string source)
    {
        _source = source;
        _code = source.ToCharArray();
        for (int i = 0; i < source.Length;) i = SkipToken(i);
        Code = new string(_code);
    }

    /// <summary>
    /// The file with every comment and literal blanked out; lines and columns are the same.
    /// </summary>
    public string Code { get; }

    /// <summary>Methods, properties and the like, with their bodies; fields are data and left out.</summary>
    public IEnumerable<Member> Members()
    {
        int start = 0;
        for (int i = 0; i < Code.Length; i++)
        {
            char c = Code[i];
            if (c is not ('{' or '}' or ';')) continue;
            string head = Head(ref start, i);
            bool isData = IsAssigned(head);
            bool isExpression = head.Contains("=>", StringComparison.Ordinal);
            if (c == '{' && s_container.IsMatch(head))
            {
                start = i + 1;
            }
            else if (c == '{')
            {
                i = Closing(i);
                if (isData || isExpression) continue; // its end is the semicolon
                yield return Between(start, i);
                start = i + 1;
            }
            else
            {
                if (isExpression && !isData) yield return Between(start, i);
                start = i + 1;
            }
        }
    }

    // A field or an initial value, as against an operator or a parameter's default.
    private static bool IsAssigned(string head)
    {
        string outside = Regex.Replace(head, @"\([^)]*\)", "", Linear);
        return Regex.IsMatch(outside, "[^=!<>]=([^=>]|$)", Linear)
            && !head.Contains("operator", StringComparison.Ordinal);
    }

    // The text of a member so far; the start moves over white space and attributes.
    private string Head(ref int start, int end)
    {
        while (start < end && (char.IsWhiteSpace(Code[start]) || Code[start] == '['))
            start = Code[start] == '[' ? Math.Min(end, Closing(start) + 1) : start + 1;
        return Code[start..end];
    }

    private Member Between(int start, int end)
    {
        int first = Code.AsSpan(0, start).Count('\n') + 1;
        return new Member(first, Code.AsSpan(start, end - start).Count('\n') + 1);
    }

    private int Closing(int opening)
    {
        (char open, char close) = (Code[opening], Code[opening] == '{' ? '}' : ']');
        int depth = 0;
        for (int i = opening; i < Code.Length; i++)
        {
            if (Code[i] == open) depth++;
            else if (Code[i] == close && --depth == 0) return i;
        }

        return Code.Length - 1;
    }

    // Blanks the comment or literal that begins here; returns what follows it. Anything else is one character
    // of code.
    private int SkipToken(int i)
    {
        if (At(i, "//")) return Blank(i, Find("\n", i));
        if (At(i, "/*")) return Blank(i, Find("*/", i + 2) + 2);
        if (_source[i] == '\'') return Blank(i, AfterQuoted(i + 1, '\''));
        int quote = i;
        while (quote < _source.Length && _source[quote] is '$' or '@') quote++;
        if (!At(quote, "\"")) return i + 1;
        string prefix = _source[i..quote];
        int quotes = 0;
        while (At(quote + quotes, "\"")) quotes++;
        if (quotes >= 3) return Blank(i, Find(new string('"', quotes), quote + quotes) + quotes);
        return Blank(i, AfterString(quote + 1, prefix.Contains('@'), prefix.Contains('$')));
    }

    private int AfterString(int i, bool verbatim, bool interpolated)
    {
        while (i < _source.Length)
        {
            if (verbatim ? At(i, "\"\"") : _source[i] == '\\') i += 2;
            else if (_source[i] == '"') return i + 1;
            else if (interpolated && At(i, "{{")) i += 2;
            else if (interpolated && _source[i] == '{') i = AfterHole(i + 1);
            else i++;
        }

        return i;
    }

    private int AfterHole(int i)
    {
        for (int depth = 1; i < _source.Length && depth > 0;)
        {
            if (_source[i] == '{') depth++;
            if (_source[i] == '}') depth--;
            i = SkipToken(i);
        }

        return i;
    }

    private int AfterQuoted(int i, char quote)
    {
        while (i < _source.Length && _source[i] != quote) i += _source[i] == '\\' ? 2 : 1;
        return i + 1;
    }

    private bool At(int i, string text) => string.CompareOrdinal(_source, i, text, 0, text.Length) == 0;

    private int Find(string text, int from)
    {
        int at = from < _source.Length ? _source.IndexOf(text, from, StringComparison.Ordinal) : -1;
        return at < 0 ? _source.Length : at;
    }

    private int Blank(int from, int to)
    {
        to = Math.Min(to, _source.Length);
        for (int i = from; i < to; i++)
            if (_code[i] != '\n') _code[i] = ' ';
        return to;
    }
}
