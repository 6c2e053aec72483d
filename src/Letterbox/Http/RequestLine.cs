// The request line: method, target in its four forms, version.
//
//   request-line   = method SP request-target SP HTTP-version          RFC 9112 3
//   request-target = origin-form    "/path?query"                      3.2.1, every method but CONNECT
//                  / absolute-form  "http://host/path?query"           3.2.2, the same; overrules Host
//                  / authority-form "host:port"                        3.2.3, CONNECT only
//                  / asterisk-form  "*"                                3.2.4, OPTIONS only
//   HTTP-version   = "HTTP/" DIGIT "." DIGIT                           2.3, in capitals

namespace Letterbox.Http;

internal static class RequestLine
{
    // The line begins `start` bytes into the request.
    public static Rejection Parse(ReadOnlySpan<byte> line, int start, Request request)
    {
        int methodEnd = line.IndexOf((byte)' ');
        if (methodEnd <= 0 || !Grammar.IsToken(line[..methodEnd])) return Rejection.RequestLine;
        request.Method = ParseMethod(line[..methodEnd]);
        int targetStart = methodEnd + 1;
        int targetLength = line[targetStart..].IndexOf((byte)' ');
        if (targetLength <= 0) return Rejection.RequestLine;
        ReadOnlySpan<byte> target = line.Slice(targetStart, targetLength);
        if (!Grammar.IsTarget(target)) return Rejection.Target;
        Rejection version = ParseVersion(line[(targetStart + targetLength + 1)..], request);
        return version != Rejection.None ? version : ParseTarget(target, start + targetStart, request);
    }

    // A rejection of HEAD has no content either (RFC 9110 9.3.2), so the method is read from a line that is
    // incomplete or malformed, too.
    public static bool IsHead(ReadOnlySpan<byte> line)
    {
        line = line.TrimStart(" \t"u8);
        return line.Length > 4 && line.StartsWith("HEAD"u8) && Grammar.TokenLength(line) == 4;
    }

    // Longer than any that is supported (RFC 9112 3).
    public static bool IsMethodTooLong(ReadOnlySpan<byte> line) =>
        Grammar.TokenLength(line) > "CONNECT".Length;

    private static Rejection ParseVersion(ReadOnlySpan<byte> version, Request request)
    {
        if (version.Length != 8 || !version.StartsWith("HTTP/"u8) || version[6] != '.'
            || !char.IsAsciiDigit((char)version[5]) || !char.IsAsciiDigit((char)version[7]))
        {
            return Rejection.RequestLine;
        }

        if (version[5] != '1') return Rejection.Version;
        // A later minor version is read as the latest that is supported (RFC 9110 2.5).
        request.MinorVersion = version[7] == '0' ? 0 : 1;
        return Rejection.None;
    }

    private static Rejection ParseTarget(ReadOnlySpan<byte> target, int start, Request request)
    {
        int pathStart = 0;
        if (request.Method == Method.Connect)
        {
            // uri-host ":" port, both required; the colons of an IPv6 address do not count.
            int colon = target.LastIndexOf((byte)':');
            bool port = colon > target.LastIndexOf((byte)']') && colon < target.Length - 1;
            if (!port || !Grammar.IsHost(target)) return Rejection.Target;
            request.SetTarget(start, target.Length, start, 0);
            return Rejection.None;
        }

        if (target.SequenceEqual("*"u8))
        {
            if (request.Method != Method.Options) return Rejection.Target;
        }
        else if (target[0] != '/')
        {
            int scheme = HasScheme(target, "http://"u8) ? 7 : HasScheme(target, "https://"u8) ? 8 : 0;
            if (scheme == 0) return Rejection.Target;
            int hostLength = target[scheme..].IndexOfAny((byte)'/', (byte)'?');
            if (hostLength < 0) hostLength = target.Length - scheme;
            if (!Grammar.IsHost(target.Slice(scheme, hostLength))) return Rejection.Target;
            pathStart = scheme + hostLength;
        }

        int query = target[pathStart..].IndexOf((byte)'?');
        int pathLength = query < 0 ? target.Length - pathStart : query;
        request.SetTarget(start, target.Length, start + pathStart, pathLength);
        return Rejection.None;
    }

    private static bool HasScheme(ReadOnlySpan<byte> target, ReadOnlySpan<byte> scheme) =>
        target.Length > scheme.Length && Grammar.Same(target[..scheme.Length], scheme);

    // Methods are case-sensitive (RFC 9110 9.1): "get" is unknown.
    private static Method ParseMethod(ReadOnlySpan<byte> method) => method switch
    {
        _ when method.SequenceEqual("GET"u8) => Method.Get,
        _ when method.SequenceEqual("POST"u8) => Method.Post,
        _ when method.SequenceEqual("HEAD"u8) => Method.Head,
        _ when method.SequenceEqual("OPTIONS"u8) => Method.Options,
        _ when method.SequenceEqual("PUT"u8) => Method.Put,
        _ when method.SequenceEqual("DELETE"u8) => Method.Delete,
        _ when method.SequenceEqual("CONNECT"u8) => Method.Connect,
        _ when method.SequenceEqual("TRACE"u8) => Method.Trace,
        _ when method.SequenceEqual("PATCH"u8) => Method.Patch,
        _ => Method.Unknown,
    };
}
