// Splits the input of `letterbox import` into objects, one at a time: memory does not grow with the file.
//
//    {"id":…} LF {"id":…} LF                    one object per line: `messages --format json`, mongoexport
//    [{"_id":…},{"_id":…}] LF                   mongoexport --jsonArray
//    id,date,username,message CR LF … CR LF     `messages --format csv`
//
// An object ends with its closing brace, or else with its line. No program writes a line break within an
// object, so a broken line does not affect its neighbours. A line of CSV continues after a line break in
// quotes. A byte order mark at the beginning is skipped.

using System.Text;
using Letterbox.Messages;

namespace Letterbox.Commands;

internal sealed class ImportReader(Stream input)
{
    // No encoding of a message with its date is longer.
    public const int ObjectBytesMax = 2 * Message.EncodedBytesMax;

    private readonly byte[] _buffer = new byte[ObjectBytesMax];
    private int _start, _end;
    private bool _begun;
    private long _breaks;

    // The input is CSV: what is read is a line of it.
    public bool IsCsv { get; private set; }

    // The line of the last object, from 1.
    public long Line { get; private set; } = 1;

    /// <summary>
    /// Reads the next object; false at the end. The span is valid until the next call, and empty for an
    /// object longer than <see cref="ObjectBytesMax"/>, which is skipped.
    /// </summary>
    public bool Read(out ReadOnlySpan<byte> found)
    {
        found = default;
        if (!_begun) Begin();
        if (!SkipToObject()) return false;
        bool tooLong = false, quoted = false;
        var scanner = new JsonObjectScanner();
        int at = _start;
        while (at < _end || ReadMore(ref at, ref tooLong))
        {
            byte b = _buffer[at];
            if (b == (byte)'\n' && !quoted) break;
            at++;
            if (!IsCsv && scanner.Closes(b)) break;
            quoted ^= IsCsv && b == (byte)'"';
            if (b == (byte)'\n') _breaks++;
        }

        if (!tooLong) found = _buffer.AsSpan(_start, at - _start);
        _start = at;
        return true;
    }

    private void Begin()
    {
        _begun = true;
        int at = 0;
        bool tooLong = false;
        ReadOnlySpan<byte> header = Encoding.UTF8.GetBytes(CsvFormat.Header), mark = Encoding.UTF8.Preamble;
        while (_end < mark.Length + header.Length && ReadMore(ref at, ref tooLong))
        {
            // A pipe may deliver single bytes.
        }

        if (_buffer.AsSpan(0, _end).StartsWith(mark)) _start = mark.Length;
        IsCsv = _buffer.AsSpan(_start.._end).StartsWith(header);
        if (IsCsv) _start += header.Length;
    }

    // Skips separators between objects, and the brackets of an array.
    private bool SkipToObject()
    {
        bool tooLong = false;
        (Line, _breaks) = (Line + _breaks, 0);
        while (_start < _end || ReadMore(ref _start, ref tooLong))
        {
            byte b = _buffer[_start];
            if (b == (byte)'\n') Line++;
            else if (!(IsCsv ? "\r"u8 : " \t\r,[]"u8).Contains(b)) return true;
            _start++;
        }

        return false;
    }

    // Reads more at the end of the buffer; false at the end of the stream. The object that begins at _start
    // is moved to the front, and `at` with it. It is dropped as too long once it fills the buffer.
    private bool ReadMore(ref int at, ref bool tooLong)
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
