// A file that holds one secret, as Docker and Kubernetes mount them.

using System.Text;

namespace Letterbox.Configuration;

internal static class SecretFile
{
    private const int BytesMax = 64 * 1024;

    // Reads the content as UTF-8, without one line end, as editors and `echo` append it. The error does not
    // contain the content.
    public static bool TryRead(string path, out string content, out string error)
    {
        (content, error) = ("", "");
        try
        {
            using FileStream file = File.OpenRead(path);
            byte[] bytes = new byte[BytesMax + 1];
            int length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length > BytesMax) error = $"it has more than {BytesMax} bytes";
            else content = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes, 0, length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            error = $"it cannot be read: {e.Message}";
        }
        catch (DecoderFallbackException)
        {
            error = "it is not valid UTF-8";
        }

        if (content.EndsWith('\n')) content = content[..^1];
        if (content.EndsWith('\r')) content = content[..^1];
        if (error.Length == 0 && content.Length == 0) error = "it is empty";
        return error.Length == 0;
    }
}
