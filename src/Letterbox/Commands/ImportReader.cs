// Cuts what `letterbox import` reads into objects, one at a time, so that memory does not grow with the file.
//
//    {"id":…} LF {"id":…} LF          an object a line: `letterbox messages --format json`, mongoexport
//    [{"_id":…},{"_id":…}] LF         mongoexport --jsonArray
//
// An object ends with its closing brace, and at the latest with its line: neither program writes a line break
// inside of one, and so a broken line costs itself and not its neighbours.

using Letterbox.Messages;

namespace Letterbox.Commands;

/// <summary>Reads a stream to its end. Not thread-safe; the stream is the caller's.</summary>
internal sealed class ImportReader(Stream input)
{
    /// <summary>
    /// Longest object in bytes: a message and its date in the longest spelling there is take less.
    /// </summary>
    public const int ObjectBytesMax = 2 * Message.EncodedBytesMax;

    private readonly byte[] _buffer = new byte[ObjectBytesMax];
    private int _start, _end;

    /// <summary>The line of what was read last, from 1.</summary>
    public long Line { get; private set; } = 1;

    /// <summary>
    /// Reads what looks like an object; false at the end. What is longer than <see cref="ObjectBytesMax"/> is
    /// passed over and comes out empty.
    /// </summary>
    /// <param name="found">Valid until the next call.</param>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public bool Read(out ReadOnlySpan<byte> found)
    {
        found = default;
        if (!SkipToObject()) return false;
        bool tooLong = false, quoted = false, escaped = false;
        int depth = 0;
        int at = _start;
        while (at < _end || More(ref at, ref tooLong))
        {
            byte b = _buffer[at];
            if (b == (byte)'\n') break;
            at++;
            if (escaped) escaped = false;
            else if (quoted) (quoted, escaped) = (b != (byte)'"', b == (byte)'\\');
            else if (b == (byte)'"') quoted = true;
            else if (b == (byte)'{') depth++;
            else if (b == (byte)'}' && --depth <= 0) break;
        }

        if (!tooLong) found = _buffer.AsSpan(_start, at - _start);
        _start = at;
        return true;
    }

    // Separators between objects, and the brackets of an array, are skipped.
    private bool SkipToObject()
    {
        bool tooLong = false;
        while (_start < _end || More(ref _start, ref tooLong))
        {
            byte b = _buffer[_start];
            if (b == (byte)'\n') Line++;
            else if (!" \t\r,[]"u8.Contains(b)) return true;
            _start++;
        }

        return false;
    }

    // Reads on at the end of the buffer; false: there is no more. What begins at _start moves to the front
    // with `at`, and is dropped once it fills the buffer: then it is too long.
    private bool More(ref int at, ref bool tooLong)
    {
        int length = _end - _start;
        tooLong |= length == _buffer.Length;
        if (tooLong) length = 0;
        else _buffer.AsSpan(_start, length).CopyTo(_buffer);
        int read = input.Read(_buffer.AsSpan(length));
        (_start, at, _end) = (0, length, length + read);
        return read > 0;
    }
}
