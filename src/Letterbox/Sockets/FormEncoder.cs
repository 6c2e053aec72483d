// The web process's own dialect, one message a line (WHATWG URL Standard, 5.2,
// application/x-www-form-urlencoded):
//
//    id=635d8f3a1c2b3a4d5e6f7081&username=krabaton&message=First+message LF
//
// A-Z a-z 0-9 * - . _ stand for themselves, a space is +, every other byte of the UTF-8 form is % and two
// upper-case hex digits. So no line break of a message is ever a line break on the wire.

using System.Buffers;
using System.Text;

namespace Letterbox.Sockets;

/// <summary>Writes messages as forms. Pure: no I/O, no state.</summary>
internal static class FormEncoder
{
    private static readonly SearchValues<char> s_plain =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-._");

    // A UTF-16 code unit is at most three bytes of UTF-8, and each of those three bytes on the wire.
    private const int BytesPerUnitMax = 9;

    /// <summary>No form of this message is longer, its LF included.</summary>
    public static int BytesMax(Message message) =>
        64 + BytesPerUnitMax * (message.Username.Length + message.Text.Length);

    /// <summary>
    /// Writes the form and its LF; <paramref name="line"/> holds <see cref="BytesMax"/>. Returns its length.
    /// </summary>
    public static int Write(Message message, Span<byte> line)
    {
        int length = Copy("id="u8, line);
        message.Id.WriteHex(line[length..]);
        length += ObjectId.HexLength;
        length += Copy("&username="u8, line[length..]);
        length += Encode(message.Username, line[length..]);
        length += Copy("&message="u8, line[length..]);
        length += Encode(message.Text, line[length..]);
        line[length] = (byte)'\n';
        return length + 1;
    }

    private static int Copy(ReadOnlySpan<byte> bytes, Span<byte> to)
    {
        bytes.CopyTo(to);
        return bytes.Length;
    }

    private static int Encode(ReadOnlySpan<char> text, Span<byte> to)
    {
        int length = 0;
        Span<byte> utf8 = stackalloc byte[4];
        while (!text.IsEmpty)
        {
            int plain = text.IndexOfAnyExcept(s_plain);
            if (plain < 0) plain = text.Length;
            length += Encoding.ASCII.GetBytes(text[..plain], to[length..]);
            text = text[plain..];
            if (text.IsEmpty) break;
            if (text[0] == ' ')
            {
                to[length++] = (byte)'+';
                text = text[1..];
                continue;
            }

            Rune.DecodeFromUtf16(text, out Rune rune, out int units);
            foreach (byte b in utf8[..rune.EncodeToUtf8(utf8)])
            {
                to[length++] = (byte)'%';
                to[length++] = HexDigit(b >> 4);
                to[length++] = HexDigit(b & 0xF);
            }

            text = text[units..];
        }

        return length;
    }

    private static byte HexDigit(int value) => (byte)(value < 10 ? '0' + value : 'A' + value - 10);
}
