// The character classes and small productions of HTTP, under the names of the RFCs.

using System.Buffers;
using System.Net;

namespace Letterbox.Http;

internal static class Grammar
{
    // tchar (RFC 9110 5.6.2): the characters of methods, field names and tokens.
    private static readonly SearchValues<byte> s_tchar = SearchValues.Create(
        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    // No control character, space, '#' (a fragment is never sent) or byte above '~' (RFC 9112 3.2).
    private static readonly SearchValues<byte> s_target = SearchValues.Create(
        [.. Bytes('!', '"'), .. Bytes('$', '~')]);

    // field-value (RFC 9110 5.5): VCHAR, obs-text, SP and HTAB.
    private static readonly SearchValues<byte> s_fieldValue = SearchValues.Create(
        [(byte)'\t', .. Bytes(' ', '~'), .. Bytes('\x80', '\xFF')]);

    // reg-name (RFC 3986 3.2.2): unreserved, pct-encoded and sub-delims.
    private static readonly SearchValues<byte> s_host = SearchValues.Create(
        "-._~%!$&'()*+,;=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    // No zone, no future form of address.
    private static readonly SearchValues<byte> s_ipv6 = SearchValues.Create("0123456789abcdefABCDEF:."u8);

    public static bool IsToken(ReadOnlySpan<byte> bytes) =>
        !bytes.IsEmpty && !bytes.ContainsAnyExcept(s_tchar);

    public static bool IsTarget(ReadOnlySpan<byte> bytes) =>
        !bytes.IsEmpty && !bytes.ContainsAnyExcept(s_target);

    public static bool IsFieldValue(ReadOnlySpan<byte> bytes) => !bytes.ContainsAnyExcept(s_fieldValue);

    // Length of the token at the start; 0 if there is none.
    public static int TokenLength(ReadOnlySpan<byte> bytes) =>
        bytes.IndexOfAnyExcept(s_tchar) is >= 0 and var end ? end : bytes.Length;

    // Removes optional white space (OWS, RFC 9110 5.6.3).
    public static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> bytes) => bytes.Trim(" \t"u8);

    // uri-host [ ":" port ] (RFC 9110 4.2.1, 7.2); an empty host is rejected.
    public static bool IsHost(ReadOnlySpan<byte> bytes)
    {
        int end;
        if (bytes.StartsWith("["u8))
        {
            end = bytes.IndexOf((byte)']') + 1;
            ReadOnlySpan<byte> address = end < 2 ? default : bytes[1..(end - 1)];
            if (address.ContainsAnyExcept(s_ipv6) || !address.Contains((byte)':')) return false;
            if (!IPAddress.IsValidUtf8(address)) return false;
        }
        else
        {
            end = bytes.IndexOf((byte)':') is >= 0 and var colon ? colon : bytes.Length;
            if (!IsRegisteredName(bytes[..end])) return false;
        }

        ReadOnlySpan<byte> port = bytes[end..];
        return port.IsEmpty || (port[0] == ':' && port.Length <= 6
            && !port[1..].ContainsAnyExceptInRange((byte)'0', (byte)'9'));
    }

    private static byte[] Bytes(char first, char last)
    {
        byte[] bytes = new byte[last - first + 1];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)(first + i);
        return bytes;
    }

    private static bool IsRegisteredName(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty || name.ContainsAnyExcept(s_host)) return false;
        for (int at; (at = name.IndexOf((byte)'%')) >= 0; name = name[(at + 3)..])
        {
            if (at + 2 >= name.Length || !char.IsAsciiHexDigit((char)name[at + 1])
                || !char.IsAsciiHexDigit((char)name[at + 2]))
                return false;
        }

        return true;
    }

    // Compares as field names and most tokens do: without regard to the case of ASCII letters.
    public static bool Same(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right) =>
        System.Text.Ascii.EqualsIgnoreCase(left, right);

    // Takes the next element of a list (RFC 9110 5.6.1), trimmed; it may be empty. A separator within a
    // quoted string (5.6.4) does not count.
    public static bool NextElement(
        scoped ref ReadOnlySpan<byte> list, out ReadOnlySpan<byte> element, byte separator = (byte)',')
    {
        element = default;
        if (list.IsEmpty) return false;
        int end = list.IndexOfAny(separator, (byte)'"');
        if (end >= 0 && list[end] == '"') end = EndOfQuoted(list, end, separator);
        element = Trim(end < 0 ? list : list[..end]);
        list = end < 0 ? default : list[(end + 1)..];
        return true;
    }

    private static int EndOfQuoted(ReadOnlySpan<byte> list, int at, byte separator)
    {
        for (bool quoted = false; at < list.Length; at++)
        {
            if (list[at] == '"') quoted = !quoted;
            else if (quoted && list[at] == '\\') at++;
            else if (!quoted && list[at] == separator) return at;
        }

        return -1;
    }
}
