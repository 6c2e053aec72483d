// Content too large for any buffer between server and client, and recognisable.

using Letterbox.Http;

namespace Letterbox.Tests.Http;

internal static class LargeContent
{
    /// <summary>Five megabytes that repeat nowhere near.</summary>
    public static byte[] Bytes { get; } = Make(5_000_000);

    /// <summary>An answer that is sent from where it stands.</summary>
    public static Response Response { get; } = Response.Create(200, [], Bytes);

    /// <summary>An answer that is copied together with others.</summary>
    public static Response Medium { get; } = Response.Create(200, [], Make(8000));

    private static byte[] Make(int length)
    {
        byte[] bytes = new byte[length];
        new Random(1).NextBytes(bytes);
        return bytes;
    }
}
