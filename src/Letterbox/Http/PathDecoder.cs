// The path of a request as text: percent-decoded once, then checked. What comes out names a page or nothing;
// it is never put together with a folder.

using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Letterbox.Http;

/// <summary>Decodes paths.</summary>
public static class PathDecoder
{
    /// <summary>Longest path that can name anything here, in bytes.</summary>
    public const int PathMax = 1024;

    /// <summary>
    /// Decodes into <paramref name="text"/>, which holds <see cref="PathMax"/> characters. False: the path
    /// names nothing, because it is too long, its percent-encoding or its UTF-8 is broken (overlong forms
    /// included), or it holds what no name holds: NUL and other control characters, a backslash, an encoded
    /// slash.
    /// </summary>
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
