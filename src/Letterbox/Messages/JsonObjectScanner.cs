// Finds the end of a JSON object without decoding it. It takes one byte at a time, so the search can stop
// anywhere and continue when more bytes arrive.
//
//    {"username":"a","message":"} \" }"}
//    1                                  0   depth; braces and escaped quotes within strings do not count

using System.Text.Json;

namespace Letterbox.Messages;

/// <summary>The state of one search. Start with the default value. Not thread-safe.</summary>
internal struct JsonObjectScanner
{
    private int _depth;
    private bool _inString;
    private bool _escaped;

    // How far the object has been validated, and whether there is anything new to validate.
    private int _validated;
    private bool _pending;
    private JsonReaderState _state;

    /// <summary>Takes the next byte, from the opening brace on. True: it closes the object.</summary>
    public bool Closes(byte b)
    {
        if (b > (byte)' ') _pending = true;
        if (_escaped) _escaped = false;
        else if (_inString) (_inString, _escaped) = (b != (byte)'"', b == (byte)'\\');
        else if (b == (byte)'"') _inString = true;
        else if (b == (byte)'{') _depth++;
        else if (b == (byte)'}') return --_depth <= 0;
        return false;
    }

    /// <summary>
    /// Takes a line feed, the last byte of <paramref name="text"/>, which starts with the opening brace.
    /// False: the text is not the beginning of a JSON object.
    /// </summary>
    public bool AllowsLineFeed(ReadOnlySpan<byte> text)
    {
        if (_inString) return false;
        if (!_pending) return true;
        _pending = false;
        try
        {
            // A line feed outside a string ends every token, so no token is read twice.
            var reader = new Utf8JsonReader(text[_validated..], isFinalBlock: false, _state);
            while (reader.Read())
            {
            }

            _validated += (int)reader.BytesConsumed;
            _state = reader.CurrentState;
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
