// The dialect of the web process, one message a line (WHATWG URL Standard, 5.2,
// application/x-www-form-urlencoded):
//
//    id=635d8f3a1c2b3a4d5e6f7081&username=krabaton&message=First+message LF
//
// A-Z a-z 0-9 * - . _ are literal, a space is +, every other byte of the UTF-8 form is % and two upper-case
// hex digits. So a line break of a message is never a line break of the protocol.

using Letterbox.Messages;

namespace Letterbox.Sockets;

// Pure: no I/O, no state.
internal static class FormEncoder
{
    // The encoding of a byte; 0: % and its digits.
    private static readonly byte[] s_plain = Plain();

    // An upper bound, including LF.
    public static int BytesMax(Message message) =>
        64 + 3 * (message.UsernameUtf8.Length + message.TextUtf8.Length);

    // Writes the form and its LF, up to BytesMax, and returns the length.
    public static int Write(Message message, Span<byte> line)
    {
        int length = Copy("id="u8, line);
        message.Id.WriteHex(line[length..]);
        length += MessageKey.HexLength;
        length += Copy("&username="u8, line[length..]);
        length += Encode(message.UsernameUtf8, line[length..]);
        length += Copy("&message="u8, line[length..]);
        length += Encode(message.TextUtf8, line[length..]);
        line[length] = (byte)'\n';
        return length + 1;
    }

    private static int Copy(ReadOnlySpan<byte> bytes, Span<byte> to)
    {
        bytes.CopyTo(to);
        return bytes.Length;
    }

    private static int Encode(ReadOnlySpan<byte> utf8, Span<byte> to)
    {
        byte[] plain = s_plain;
        int length = 0;
        foreach (byte b in utf8)
        {
            byte written = plain[b];
            if (written != 0)
            {
                to[length++] = written;
                continue;
            }

            to[length++] = (byte)'%';
            to[length++] = HexDigit(b >> 4);
            to[length++] = HexDigit(b & 0xF);
        }

        return length;
    }

    private static byte HexDigit(int value) => "0123456789ABCDEF"u8[value];

    private static byte[] Plain()
    {
        byte[] plain = new byte[256];
        for (int b = 0; b < plain.Length; b++)
        {
            if (char.IsAsciiLetterOrDigit((char)b) || b is '*' or '-' or '.' or '_') plain[b] = (byte)b;
        }

        plain[' '] = (byte)'+';
        return plain;
    }
}
