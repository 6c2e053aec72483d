// Finds the end of a JSON object without decoding it, byte by byte, so that it can pause anywhere.

using System.Text.Json;

namespace Letterbox.Sockets;

/// <summary>The state of the search. Starts with the default value. Not thread-safe.</summary>
internal struct JsonScan
{
    private int _depth;
    private bool _inString;
    private bool _escaped;

    // Up to here the object is valid JSON; checked at line feeds, unless only white space came before.
    private int _checked;
    private bool _unchecked;
    private JsonReaderState _checkedState;

    public enum Place
    {
        Inside,

        // At the closing brace.
        Closed,

        // At a line feed up to which the text is not valid JSON.
        Broken,
    }

    /// <summary>
    /// Reads the byte at <paramref name="at"/>. <paramref name="text"/> is the object from its opening brace;
    /// each byte is read once, in order.
    /// </summary>
    public Place Read(ReadOnlySpan<byte> text, int at)
    {
        byte b = text[at];
        if (b == (byte)'\n') return _inString || !IsJsonUpTo(text[..(at + 1)]) ? Place.Broken : Place.Inside;
        if (b > (byte)' ') _unchecked = true;
        if (_escaped) _escaped = false;
        else if (_inString) (_inString, _escaped) = (b != (byte)'"', b == (byte)'\\');
        else if (b == (byte)'"') _inString = true;
        else if (b == (byte)'{') _depth++;
        else if (b == (byte)'}' && --_depth == 0) return Place.Closed;
        return Place.Inside;
    }

    // A line feed outside a string ends every token, so the reader never reads a token twice.
    private bool IsJsonUpTo(ReadOnlySpan<byte> text)
    {
        if (!_unchecked) return true;
        _unchecked = false;
        try
        {
            var reader = new Utf8JsonReader(text[_checked..], isFinalBlock: false, _checkedState);
            while (reader.Read())
            {
            }

            _checked += (int)reader.BytesConsumed;
            _checkedState = reader.CurrentState;
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
