// Makes bad requests out of good ones, the way smugglers do: by cutting, doubling, splicing, and by putting
// the bytes that mean something where they mean something else. The same seed makes the same bytes.

namespace Letterbox.Tests.Fuzz;

/// <summary>An endless stream of inputs over a corpus. Not thread-safe.</summary>
public sealed class Mutator(IReadOnlyList<byte[]> corpus, int seed)
{
    private const int InputMax = 20_000;
    private static readonly byte[][] s_tokens = [.. new[]
    {
        "\r\n", "\n", "\r", "\r\n\r\n", "\0", " ", "\t", ":", ",", ";", "=", "\"", "\\", "%",
        "[", "]", "0\r\n\r\n",        "\r\n ",
        "Content-Length: 5\r\n", "Content-Length: 4294967296\r\n", "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n", "Expect: 100-continue\r\n", "GET / HTTP/1.1\r\n", "HEAD ", "HTTP/1.0",
        "chunked", "Host: a\r\n", "FFFFFFFF",
        "1\r\nx\r\n", ";a=\"b\"", "http://a", "*", "\x80", "\xFF", "\x7F",
    }.Select(System.Text.Encoding.Latin1.GetBytes)];

    private readonly Random _random = new(seed);

    /// <summary>The next input.</summary>
    public byte[] Next()
    {
        var bytes = new List<byte>(Pick(corpus));
        for (int i = _random.Next(1, 6); i > 0; i--) Mutate(bytes);
        if (bytes.Count > InputMax) bytes.RemoveRange(InputMax, bytes.Count - InputMax);
        return [.. bytes];
    }

    /// <summary>A length for the next piece: mostly small, so that cuts fall everywhere.</summary>
    public int NextPiece() => _random.Next(4) == 0 ? _random.Next(1, 4096) : _random.Next(1, 40);

    private void Mutate(List<byte> bytes)
    {
        int at = _random.Next(bytes.Count + 1);
        int count = Math.Min(_random.Next(1, 1 << _random.Next(1, 9)), bytes.Count - at);
        switch (_random.Next(7))
        {
            case 0: bytes.InsertRange(at, Pick(s_tokens)); break;
            case 1: bytes.RemoveRange(at, count); break;
            case 2: bytes.InsertRange(at, bytes.GetRange(at, count)); break;
            case 3 when at < bytes.Count: bytes[at] = (byte)_random.Next(256); break;
            case 4 when at < bytes.Count: bytes[at] ^= (byte)(1 << _random.Next(8)); break;
            case 5:
                byte[] other = Pick(corpus);
                bytes.InsertRange(at, other[_random.Next(other.Length)..]);
                break;
            default:
                bytes.RemoveRange(at, count);
                bytes.InsertRange(at, Pick(s_tokens));
                break;
        }
    }

    private byte[] Pick(IReadOnlyList<byte[]> list) => list[_random.Next(list.Count)];
}
