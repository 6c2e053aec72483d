// Content larger than all buffers between server and client, and recognisable.

using Letterbox.Http;

namespace Letterbox.Tests.Http;

internal static class LargeContent
{
    /// <summary>Five pseudo-random megabytes.</summary>
    public static byte[] Bytes { get; } = Make(5_000_000);

    /// <summary>Sent without being copied.</summary>
    public static Response Response { get; } = Response.Create(200, [], Bytes);

    /// <summary>Copied and sent together with others.</summary>
    public static Response Medium { get; } = Response.Create(200, [], Make(8000));

    private static byte[] Make(int length)
    {
        byte[] bytes = new byte[length];
        new Random(1).NextBytes(bytes);
        return bytes;
    }
}
