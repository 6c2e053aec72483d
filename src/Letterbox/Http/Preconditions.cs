// Conditional requests: the client has the representation already, or wants it only if it has not changed.
//
//   If-Match / If-None-Match = "*" / #entity-tag        RFC 9110 13.1.1, 13.1.2
//   entity-tag               = [ "W/" ] DQUOTE *etagc DQUOTE        8.8.3

namespace Letterbox.Http;

internal enum Precondition
{
    Proceed,
    NotModified, // 304
    Failed, // 412
}

internal static class Preconditions
{
    // RFC 9110 13.2.2, steps 1 to 4; for GET and HEAD of a representation that exists. The tag is strong and
    // has its quotes, the date is in whole seconds; a representation without validators has neither.
    public static Precondition Evaluate(
        Request request, ReadOnlySpan<byte> tag = default, DateTimeOffset? lastModified = null)
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

    // If-Range (RFC 9110 13.1.5): whether the range counts; true without the field.
    public static bool RangeApplies(Request request, ReadOnlySpan<byte> tag, DateTimeOffset lastModified)
    {
        int at = -1;
        if (!request.NextField("if-range"u8, ref at)) return true;
        if (!request.TryGetSingle("if-range"u8, out ReadOnlySpan<byte> value)) return false;
        // Strong comparison of tags, exact comparison of dates: a range of another version is useless.
        return value.StartsWith("\""u8)
            ? value.SequenceEqual(tag)
            : HttpDate.TryParse(value, DateTimeOffset.UtcNow, out var date) && date == lastModified;
    }

    private static bool TryGetDate(Request request, ReadOnlySpan<byte> name, out DateTimeOffset date)
    {
        date = default;
        return request.TryGetSingle(name, out ReadOnlySpan<byte> value)
            && HttpDate.TryParse(value, DateTimeOffset.UtcNow, out date);
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

    // A quoted tag may contain commas, so the list is read tag by tag; anything else ends it.
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
