// Finds where a JSON object ends without decoding it, byte by byte, so that it can stop anywhere and go on.

using System.Text.Json;

namespace Letterbox.Sockets;

/// <summary>
/// The state of a search for the end of one JSON object. Start with the default value. Not thread-safe.
/// </summary>
internal struct JsonScan
{
    private int _depth;
    private bool _inString;
    private bool _escaped;

    // Up to here the object was found to be JSON, at the last line feed that something stood before.
    private int _checked;
    private bool _unchecked;
    private JsonReaderState _checkedState;

    /// <summary>The position of the byte just read.</summary>
    public enum Place
    {
        /// <summary>Inside the object.</summary>
        Inside,

        /// <summary>On its closing brace.</summary>
        Closed,

        /// <summary>On a line feed at which it is no JSON any more.</summary>
        Broken,
    }

    /// <summary>
    /// Takes the byte at <paramref name="at"/>. <paramref name="text"/> holds the object from its opening
    /// brace, which is the first byte to be taken; each byte is taken once, in order.
    /// </summary>
    public Place Take(ReadOnlySpan<byte> text, int at)
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

    // A line feed outside a string ends every token, so the reader never has to see the same token twice.
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
