// A file that holds one secret, as Docker and Kubernetes mount them.

namespace Letterbox.Configuration;

internal static class SecretFile
{
    private const int BytesMax = 64 * 1024;

    // The error does not contain the content.
    public static bool TryRead(string path, out string content, out string error)
    {
        content = "";
        try
        {
            using FileStream file = File.OpenRead(path);
            bool isText = StrictText.TryRead(file, BytesMax, out content, out error);
            if (isText && content.Length == 0) error = "is empty";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            error = $"cannot be read: {e.Message}";
        }

        if (error.Length > 0) error = $"it {error}";
        return error.Length == 0;
    }
}
