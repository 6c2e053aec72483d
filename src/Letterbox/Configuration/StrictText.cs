// Text from a file or a pipe that must be valid UTF-8.

using System.Text;

namespace Letterbox.Configuration;

internal static class StrictText
{
    private static readonly UTF8Encoding s_utf8 = new(false, throwOnInvalidBytes: true);

    // Reads to the end, without one line break there, as editors and `echo` append it. The error continues a
    // sentence that begins with the name of the text.
    public static bool TryRead(Stream input, int bytesMax, out string text, out string error) =>
        TryRead(input, bytesMax, untilLineEnd: false, out text, out error);

    // Reads a line that a person types, and nothing after it.
    public static bool TryReadLine(Stream input, int bytesMax, out string text, out string error) =>
        TryRead(input, bytesMax, untilLineEnd: true, out text, out error);

    private static bool TryRead(
        Stream input, int bytesMax, bool untilLineEnd, out string text, out string error)
    {
        (text, error) = ("", "");
        byte[] bytes = new byte[bytesMax + 1];
        int length = 0, read = 1;
        while (length < bytes.Length && read > 0)
        {
            read = input.Read(bytes, length, untilLineEnd ? 1 : bytes.Length - length);
            length += read;
            if (untilLineEnd && read > 0 && bytes[length - 1] == '\n') break;
        }

        if (length > bytesMax)
        {
            error = $"has more than {bytesMax} bytes";
            return false;
        }

        try
        {
            text = s_utf8.GetString(bytes, 0, length);
        }
        catch (DecoderFallbackException)
        {
            error = "is not valid UTF-8";
            return false;
        }

        if (text.EndsWith('\n')) text = text[..^(text.EndsWith("\r\n", StringComparison.Ordinal) ? 2 : 1)];
        return true;
    }
}
