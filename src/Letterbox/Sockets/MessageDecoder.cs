// Finds the messages in the bytes of a client. The first byte selects the dialect:
//
//    {"username":"krabaton","message":"First message"}          JSON object, RFC 8259
//    ^ 0x7B                                          ^ ends here
//
//     0    1    2    3    4                      4+n
//    +----+----+----+----+--------- ... ----------+
//    | 00 | n, big-endian| n bytes: JSON if the   |     length-prefixed, 1 <= n <= Message.EncodedBytesMax
//    +----+----+----+----+ first is {, else a form|
//                        +--------- ... ----------+
//
//    username=krabaton&message=First+message LF                 application/x-www-form-urlencoded
//    ^ anything else                         ^ ends here, or CR LF
//
// Spaces, tabs, CR and LF before a message are skipped, so JSON and a line feed is one message; so is a byte
// order mark, with which some editors begin a file.
//
// JSON ends where its braces balance. A line feed inside an open object is white space if the text before it
// is valid JSON so far (pretty-printed JSON). Else the message ends there and is rejected, and the next line
// is the next message.
//
// A message that is only `?` is a status request, and `?id=<24 hex digits>` asks for a receipt.
//
// A form without LF is ended by the end of the stream, or by a pause of its sender (Ending.Quiet). So a form
// cut off by a crash looks complete. A stream whose first byte is LF announces that each of its forms ends
// with LF: then nothing else ends one. The web process does this. JSON and length-prefixed messages cannot be
// cut off unnoticed.
//
// The same bytes give the same messages, however they are split into reads. Each byte is examined once in the
// search for the end of its message, and once when it is decoded.

using System.Buffers;
using Letterbox.Messages;

namespace Letterbox.Sockets;

/// <summary>What is known about the stream after the last byte.</summary>
internal enum Ending
{
    Open, // more may follow
    Quiet, // more may follow, but the sender pauses
    Ended, // nothing follows
}

internal enum DecodeStatus
{
    NeedMore, // no complete message yet
    Complete, // a valid message
    StatusRequest,
    ReceiptRequest,
    Rejected, // an invalid message; the next one can be found
    OutOfSync, // the start of the next message is unknown: the connection must be closed
}

// `Consumed` bytes are to be dropped, also with NeedMore. `Reason` is why a message is rejected, in one line.
internal readonly record struct Decoded(
    DecodeStatus Status, int Consumed, Message? Message = null, string Reason = "",
    MessageKey Receipt = default);

// Decodes one stream of messages; called with all bytes not yet consumed whenever some are added. No I/O.
// Not thread-safe. A datagram is a stream too.
internal sealed class MessageDecoder(TimeProvider time)
{
    private const byte LineFeed = (byte)'\n';
    private const int PrefixSize = 4;
    private const string TooLong = "the message is too long";
    private const string CutOff = "the message is cut off";
    private const string NotJson = "the message is not valid JSON";
    private const string BadLength = "the length is not between 1 and 65536";

    private bool _started;
    private bool _lineFeedPromised;

    // Of the incomplete message: how far it has been searched for its end, and the state of the search in
    // JSON.
    private int _searched;
    private JsonObjectScanner _json;

    // Decodes one message at the start of the bytes.
    public Decoded Decode(ReadOnlySpan<byte> bytes, Ending ending)
    {
        if (!_started && !bytes.IsEmpty) (_started, _lineFeedPromised) = (true, bytes[0] == LineFeed);
        int blanks = bytes.IndexOfAnyExcept(" \t\r\n"u8);
        if (blanks < 0) return new Decoded(DecodeStatus.NeedMore, bytes.Length);
        bytes = bytes[blanks..];
        ReadOnlySpan<byte> mark = "\uFEFF"u8;
        if (mark.StartsWith(bytes) && ending != Ending.Ended)
            return new Decoded(DecodeStatus.NeedMore, blanks);
        if (bytes.StartsWith(mark) && bytes.Length > mark.Length)
        {
            bytes = bytes[mark.Length..];
            blanks += mark.Length;
        }

        Decoded decoded = bytes[0] switch
        {
            (byte)'{' => DecodeJson(bytes, ending),
            0 => DecodePrefixed(bytes, ending),
            _ => DecodeForm(bytes, ending),
        };
        if (decoded.Status != DecodeStatus.NeedMore) (_searched, _json) = (0, default);
        return decoded with { Consumed = decoded.Consumed + blanks };
    }

    // Decodes a datagram: one message, with only white space around it.
    public static Decoded DecodeDatagram(ReadOnlySpan<byte> datagram, TimeProvider time)
    {
        datagram = datagram.TrimStart(" \t\r\n"u8);
        Decoded decoded = new MessageDecoder(time).Decode(datagram, Ending.Ended);
        if (decoded.Status == DecodeStatus.NeedMore)
            return Rejected("the datagram is empty", datagram.Length);
        // Its answer is longer: with a forged source address that would amplify traffic.
        if (decoded.Status is DecodeStatus.StatusRequest or DecodeStatus.ReceiptRequest)
            return Rejected("ask over TCP", datagram.Length);
        return datagram[decoded.Consumed..].TrimStart(" \t\r\n"u8).IsEmpty
            ? decoded
            : Rejected("the datagram holds more than one message", datagram.Length);
    }

    private Decoded DecodeForm(ReadOnlySpan<byte> bytes, Ending ending)
    {
        int found = bytes[_searched..].IndexOf(LineFeed);
        int end = found < 0 ? bytes.Length : _searched + found;
        if (end > Message.EncodedBytesMax) return OutOfSync(TooLong, bytes.Length);
        if (found >= 0) return Read(bytes[..end], end + 1);
        _searched = end;
        if (ending == Ending.Open || (ending == Ending.Quiet && _lineFeedPromised)) return default;
        return _lineFeedPromised ? Rejected(CutOff, end) : Read(bytes, end);
    }

    private Decoded DecodePrefixed(ReadOnlySpan<byte> bytes, Ending ending)
    {
        if (bytes.Length >= PrefixSize)
        {
            int length = bytes[1] << 16 | bytes[2] << 8 | bytes[3];
            if (length is 0 or > Message.EncodedBytesMax) return OutOfSync(BadLength, bytes.Length);
            int end = PrefixSize + length;
            if (bytes.Length >= end) return Read(bytes[PrefixSize..end], end);
        }

        return ending == Ending.Ended ? Rejected(CutOff, bytes.Length) : default;
    }

    private Decoded DecodeJson(ReadOnlySpan<byte> bytes, Ending ending)
    {
        ReadOnlySpan<byte> searchable = bytes[..Math.Min(bytes.Length, Message.EncodedBytesMax)];
        while (_searched < searchable.Length)
        {
            byte b = searchable[_searched++];
            if (b == LineFeed)
            {
                if (!_json.AllowsLineFeed(searchable[.._searched])) return Rejected(NotJson, _searched);
            }
            else if (_json.Closes(b))
            {
                return Read(bytes[.._searched], _searched);
            }
        }

        if (_searched == Message.EncodedBytesMax) return OutOfSync(TooLong, bytes.Length);
        if (ending == Ending.Ended) return Rejected(CutOff, bytes.Length);
        // A client that has ended a line and now waits has sent everything.
        return ending == Ending.Quiet && bytes[^1] == LineFeed ? Rejected(NotJson, bytes.Length) : default;
    }

    private Decoded Read(ReadOnlySpan<byte> encoded, int consumed)
    {
        Message? message = null;
        ReadOnlySpan<byte> form = TrimLineEnd(encoded);
        if (form is [(byte)'?']) return new Decoded(DecodeStatus.StatusRequest, consumed);
        if (form.StartsWith("?id="u8) && MessageKey.TryParse(form[4..], out MessageKey id))
            return new Decoded(DecodeStatus.ReceiptRequest, consumed, Receipt: id);
        byte[] scratch = ArrayPool<byte>.Shared.Rent(encoded.Length);
        FieldError? error = encoded[0] == (byte)'{'
            ? MessageFields.ReadJson(encoded, scratch, out MessageFields fields)
            : MessageFields.ReadForm(form, scratch, out fields);
        error ??= fields.ToMessage(time, out message);
        ArrayPool<byte>.Shared.Return(scratch);
        return error is null
            ? new Decoded(DecodeStatus.Complete, consumed, message)
            : Rejected(error.Reason, consumed);
    }

    private static ReadOnlySpan<byte> TrimLineEnd(ReadOnlySpan<byte> form)
    {
        if (form.EndsWith("\n"u8)) form = form[..^1];
        return form.EndsWith("\r"u8) ? form[..^1] : form;
    }

    private static Decoded Rejected(string reason, int consumed) =>
        new(DecodeStatus.Rejected, consumed, Reason: reason);

    private static Decoded OutOfSync(string reason, int consumed) =>
        new(DecodeStatus.OutOfSync, consumed, Reason: reason);
}
