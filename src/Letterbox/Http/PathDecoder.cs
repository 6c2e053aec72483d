// The path of a request as text: percent-decoded once, then validated. The result is a key of a table; it is
// never combined with a folder.

using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Letterbox.Http;

internal static class PathDecoder
{
    // In bytes; no file that is served has a longer one.
    public const int PathMax = 1024;

    // Decodes into text, which holds PathMax characters. false: the path is too long, its percent-encoding
    // or its UTF-8 is invalid (overlong forms included), or it contains a control character, a backslash or
    // an encoded slash.
    public static bool TryDecode(ReadOnlySpan<byte> path, Span<char> text, out int length)
    {
        length = 0;
        if (path.Length > PathMax) return false;
        if (path.IndexOfAny((byte)'%', (byte)'\\') < 0)
            return Encoding.ASCII.TryGetChars(path, text, out length);
        Span<byte> bytes = stackalloc byte[PathMax];
        int count = 0;
        for (int i = 0; i < path.Length; i++)
        {
            byte b = path[i];
            if (b == '%')
            {
                if (i + 2 >= path.Length || !Uri.IsHexDigit((char)path[i + 1])
                    || !Uri.IsHexDigit((char)path[i + 2]))
                    return false;
                b = (byte)((Uri.FromHex((char)path[i + 1]) << 4) | Uri.FromHex((char)path[i + 2]));
                i += 2;
                if (b == '/') return false;
            }

            if (b is < 0x20 or 0x7F or (byte)'\\') return false;
            bytes[count++] = b;
        }

        return Utf8.ToUtf16(bytes[..count], text, out _, out length, replaceInvalidSequences: false)
            == OperationStatus.Done;
    }
}
