// A file that holds one secret, as Docker and Kubernetes mount them.

using System.Text;

namespace Letterbox.Configuration;

/// <summary>Reads such files.</summary>
internal static class SecretFile
{
    private const int BytesMax = 64 * 1024;

    /// <summary>
    /// Reads the content as UTF-8, without the one line end that an editor or <c>echo</c> leaves behind it.
    /// Returns <c>null</c>, or what is wrong with the file, fit for a person and without its content.
    /// </summary>
    public static string? Read(string path, out string content)
    {
        content = "";
        try
        {
            using FileStream file = File.OpenRead(path);
            byte[] bytes = new byte[BytesMax + 1];
            int length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length > BytesMax) return $"it has more than {BytesMax} bytes";
            content = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes, 0, length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"it cannot be read: {e.Message}";
        }
        catch (DecoderFallbackException)
        {
            return "it is not valid UTF-8";
        }

        if (content.EndsWith('\n')) content = content[..^1];
        if (content.EndsWith('\r')) content = content[..^1];
        return content.Length == 0 ? "it is empty" : null;
    }
}
