// Every way that a test cuts bytes before it plays them: a reader of a stream must give the same result for
// each.

using System.Text;

namespace Letterbox.Tests.Support;

/// <summary>Cuts of one input: whole, in two at every place, byte by byte.</summary>
public static class Cuts
{
    /// <summary>Each cut is the input's pieces in order.</summary>
    /// <param name="input">What is cut.</param>
    /// <param name="step">Distance of two neighbouring cuts in two; 1 is every place.</param>
    public static IEnumerable<byte[][]> Of(byte[] input, int step = 1)
    {
        yield return [input];
        for (int at = 1; at < input.Length; at += step) yield return [input[..at], input[at..]];
        yield return [.. input.Select(b => new[] { b })];
    }

    /// <summary>
    /// Text as bytes, one per character below U+0100: <c>\0</c> and <c>\xff</c> can be written.
    /// </summary>
    public static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);
}
