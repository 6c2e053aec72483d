// The answer to one message, as one line:
//
//    OK <id>LF         OK 635d8f3a1c2b3a4d5e6f7081     on stable storage, under this key (24 hex digits)
//    NO <reason>LF     NO username is missing          never will be: correct the message
//    WAIT <reason>LF   WAIT the queue is full          not now, or unknown: send it again under the same key
//
// and to the status request `?`, with notes for an operator instead of a key:
//
//    OK <notes>LF      OK ready                        messages are taken; notes are joined by "; "
//    WAIT <reason>LF   WAIT the disk is nearly full    not now
//
// and to `?id=<id>`, whether the message of a receipt is stored:
//
//    OK <date>LF       OK 2022-10-29 20:20:58.020261
//    NO <reason>LF     NO unknown receipt              not here, or no longer
//    WAIT <reason>LF   WAIT the store is starting      cannot be answered now
//
// A reason is printable ASCII, at most 200 bytes, so that no client's bytes reach the terminal or log of
// another program. Receipt.cs defines what the three answers promise.

using System.Text;
using Letterbox.Messages;

namespace Letterbox.Sockets;

// Pure: no I/O, no state.
internal static class Answer
{
    // Longest line in bytes, including LF.
    public const int BytesMax = 256;

    private const int ReasonMax = 200;
    private const string NoNotes = "ready";
    private const string BetweenNotes = "; ";

    // Compared as a whole: a store of an earlier version takes the request for a message, and answers NO.
    private const string UnknownReceipt = "NO unknown receipt";

    // Writes the line, of up to BytesMax bytes, and returns its length.
    public static int Write(in Receipt receipt, Span<byte> line)
    {
        int length;
        if (receipt.Kind == ReceiptKind.Stored)
        {
            "OK "u8.CopyTo(line);
            receipt.Id.WriteHex(line[3..]);
            length = 3 + MessageKey.HexLength;
        }
        else
        {
            ReadOnlySpan<byte> word = receipt.Kind switch
            {
                ReceiptKind.Rejected => "NO "u8,
                ReceiptKind.Later => "WAIT "u8,
                _ => [],
            };
            word.CopyTo(line);
            length = word.Length + WriteReason(receipt.Reason, line[word.Length..]);
        }

        line[length] = (byte)'\n';
        return length + 1;
    }

    // Reads a line without its LF; false: it is not an answer.
    public static bool TryRead(ReadOnlySpan<byte> line, out Receipt receipt)
    {
        receipt = default;
        if (line.Length >= BytesMax || line.ContainsAnyExceptInRange((byte)' ', (byte)'~')) return false;
        if (line.StartsWith("OK "u8))
        {
            if (!MessageKey.TryParse(line[3..], out MessageKey id)) return false;
            receipt = Receipt.Stored(id);
            return true;
        }

        if (line.StartsWith("NO "u8)) receipt = Receipt.Rejected(Encoding.ASCII.GetString(line[3..]));
        else if (line.StartsWith("WAIT "u8)) receipt = Receipt.Later(Encoding.ASCII.GetString(line[5..]));
        else return false;
        return true;
    }

    public static Receipt Ready(IReadOnlyList<string> notes) =>
        Receipt.Status($"OK {(notes.Count == 0 ? NoNotes : string.Join(BetweenNotes, notes))}");

    public static Receipt NotReady(string reason) => Receipt.Status($"WAIT {reason}");

    // Reads the answer to a status request, without its LF; false: it is not one. `wait` is the reason why
    // messages are not taken now, or null.
    public static bool TryReadStatus(
        ReadOnlySpan<byte> line, out string? wait, out IReadOnlyList<string> notes)
    {
        (wait, notes) = (null, []);
        if (line.Length >= BytesMax || line.ContainsAnyExceptInRange((byte)' ', (byte)'~')) return false;
        string text = Encoding.ASCII.GetString(line);
        if (text.StartsWith("WAIT ", StringComparison.Ordinal)) wait = text[5..];
        else if (!text.StartsWith("OK ", StringComparison.Ordinal)) return false;
        else if (text[3..] is not NoNotes) notes = text[3..].Split(BetweenNotes);
        return true;
    }

    public static Receipt Found(FoundReceipt found) => Receipt.Status(found.State switch
    {
        ReceiptState.Stored => $"OK {found.Date}",
        ReceiptState.Unknown => UnknownReceipt,
        _ => "WAIT the journal cannot be read now",
    });

    // Reads the answer to `?id=`, without its LF.
    public static FoundReceipt ReadFound(ReadOnlySpan<byte> line)
    {
        string text = Encoding.ASCII.GetString(line);
        if (text == UnknownReceipt) return new FoundReceipt(ReceiptState.Unknown);
        bool stored = text.StartsWith("OK ", StringComparison.Ordinal)
            && StoredMessage.TryParseDate(text[3..], out _);
        return stored ? new FoundReceipt(ReceiptState.Stored, text[3..]) : default;
    }

    private static int WriteReason(string reason, Span<byte> line)
    {
        int length = Math.Min(reason.Length, ReasonMax);
        for (int i = 0; i < length; i++)
            line[i] = reason[i] is >= ' ' and <= '~' ? (byte)reason[i] : (byte)'?';
        return length;
    }
}
