// Conditional requests: the client has the representation already, or wants it only if it is still the same.
//
//   If-Match / If-None-Match = "*" / #entity-tag        RFC 9110 13.1.1, 13.1.2
//   entity-tag               = [ "W/" ] DQUOTE *etagc DQUOTE        8.8.3

namespace Letterbox.Http;

/// <summary>What the conditions of a request come to.</summary>
public enum Precondition
{
    /// <summary>Answer as if there were none.</summary>
    Proceed,
    /// <summary>304: the client has it.</summary>
    NotModified,
    /// <summary>412: what the client asked about has changed.</summary>
    Failed,
}

/// <summary>Evaluates the conditions of a request, in the RFC's order of precedence.</summary>
public static class Preconditions
{
    /// <summary>RFC 9110 13.2.2, steps 1 to 4; for GET and HEAD of a representation that exists.</summary>
    /// <param name="request">The request.</param>
    /// <param name="tag">Strong entity-tag of the representation, quotes included.</param>
    /// <param name="lastModified">When it was last changed, in whole seconds.</param>
    public static Precondition Evaluate(Request request, ReadOnlySpan<byte> tag, DateTimeOffset lastModified)
    {
        int at = -1;
        if (request.NextField("if-match"u8, ref at))
        {
            if (!AnyTag(request, "if-match"u8, tag, weak: false)) return Precondition.Failed;
        }
        else if (TryGetDate(request, "if-unmodified-since"u8, out DateTimeOffset unmodified)
            && lastModified > unmodified)
        {
            return Precondition.Failed;
        }

        at = -1;
        if (request.NextField("if-none-match"u8, ref at))
            return AnyTag(request, "if-none-match"u8, tag, weak: true) ? Precondition.NotModified : default;
        bool seen = TryGetDate(request, "if-modified-since"u8, out var since) && lastModified <= since;
        return seen ? Precondition.NotModified : Precondition.Proceed;
    }

    /// <summary>If-Range (RFC 9110 13.1.5): whether the range counts; true without the field.</summary>
    public static bool RangeApplies(Request request, ReadOnlySpan<byte> tag, DateTimeOffset lastModified)
    {
        if (!request.TryGetField("if-range"u8, out ReadOnlySpan<byte> value)) return true;
        // Strong comparison of tags, exact comparison of dates: a range of another version would be garbage.
        return value.StartsWith("\""u8)
            ? value.SequenceEqual(tag)
            : HttpDate.TryParse(value, out DateTimeOffset date) && date == lastModified;
    }

    private static bool TryGetDate(Request request, ReadOnlySpan<byte> name, out DateTimeOffset date)
    {
        date = default;
        return request.TryGetField(name, out ReadOnlySpan<byte> value) && HttpDate.TryParse(value, out date);
    }

    private static bool AnyTag(Request request, ReadOnlySpan<byte> field, ReadOnlySpan<byte> tag, bool weak)
    {
        for (int at = -1; request.NextField(field, ref at);)
        {
            ReadOnlySpan<byte> list = request.FieldValue(at);
            if (list.SequenceEqual("*"u8)) return true;
            while (NextTag(ref list, out bool isWeak, out ReadOnlySpan<byte> candidate))
            {
                if (candidate.SequenceEqual(tag) && (weak || !isWeak)) return true;
            }
        }

        return false;
    }

    // A quoted tag may hold commas, so the list is read tag by tag; what is no tag ends it.
    private static bool NextTag(ref ReadOnlySpan<byte> list, out bool weak, out ReadOnlySpan<byte> tag)
    {
        tag = default;
        list = list.TrimStart(" \t,"u8);
        weak = list.StartsWith("W/"u8);
        if (weak) list = list[2..];
        if (!list.StartsWith("\""u8)) return false;
        int length = list[1..].IndexOf((byte)'"') + 2;
        if (length < 2) return false;
        tag = list[..length];
        list = list[length..];
        return true;
    }
}
