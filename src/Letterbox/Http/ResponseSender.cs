// Sends the responses of one connection. They are gathered in the output buffer; one send without waiting is
// nearly always enough. What the kernel does not take is sent in slices, each with a timeout.

using System.Net.Sockets;
using Letterbox.Hosting;

namespace Letterbox.Http;

/// <summary>What the sending of a response depends on besides the response.</summary>
/// <param name="HeadOnly">It answers HEAD: no content is sent.</param>
/// <param name="Close">It is the last response on the connection.</param>
/// <param name="AnnounceKeepAlive">Without the line HTTP/1.0 would close (RFC 9112 C.2.2).</param>
internal readonly record struct SendOptions(bool HeadOnly, bool Close, bool AnnounceKeepAlive);

// Not thread-safe, except IsWaiting. The socket is non-blocking. countMemory is called when a wait begins:
// from then on what the client makes the server hold counts.
internal sealed class ResponseSender(
    HttpServer server, Socket socket, ConnectionTimeout timeout, Action countMemory)
{
    // Content up to this is copied behind its head: cheaper than a second send.
    private const int CopyMax = 32 * 1024;

    // Most bytes gathered before a send: a pipeline of pages leaves in one.
    private const int GatheredMax = 64 * 1024;

    // Most bytes of one part of a content that is written while it is sent.
    private const int PartMax = 4 * 1024;

    // Date, Connection and the empty line.
    private const int LinesMax = 80;

    private const int InitialSize = 16 * 1024;

    private readonly ByteBuffer _output = new(InitialSize);
    private volatile bool _waiting;
    private int _contentHeld;

    // The client cannot be reached any more.
    public bool IsBroken { get; private set; }

    // The client does not take what is sent. Still true when the wait has expired.
    public bool IsWaiting => _waiting;
    public int BytesHeld => _output.Capacity + _contentHeld;

    public void Release() => _output.Release();

    /// <summary>Sends a response outside of any request, as far as the kernel takes it at once.</summary>
    public static void SendOutOfBand(
        Socket socket, Response response, ReadOnlySpan<byte> dateLine, bool headOnly)
    {
        var output = new ByteBuffer(InitialSize);
        WriteHead(output, response, dateLine, "Connection: close\r\n"u8);
        if (!headOnly) output.Append(response.Content.Span);
        socket.Send(output.Content.Span, SocketFlags.None, out _);
        output.Release();
    }

    public async ValueTask WriteAsync(Response response, SendOptions options)
    {
        await MakeSpaceAsync(response.Head.Length + LinesMax);
        WriteHead(_output, response, server.DateLine,
            options.Close ? "Connection: close\r\n"u8
            : options.AnnounceKeepAlive ? "Connection: keep-alive\r\n"u8 : default);
        if (options.HeadOnly) return;
        ReadOnlyMemory<byte> content = response.Content;
        if (response.Writer is { } writer)
        {
            await WritePartsAsync(writer, response.BytesHeld);
        }
        else if (content.Length <= CopyMax)
        {
            await MakeSpaceAsync(content.Length);
            _output.Append(content.Span);
        }
        else if (await SendAsync())
        {
            await SendAllAsync(content);
        }
    }

    public async ValueTask WriteContinueAsync()
    {
        await MakeSpaceAsync(64);
        _output.Append("HTTP/1.1 100 Continue\r\n\r\n"u8);
    }

    /// <summary>Sends everything that has been written. <c>false</c>: the client cannot be reached.</summary>
    public ValueTask<bool> SendAsync()
    {
        // One send is enough nearly always, and then there is no wait to prepare for.
        ReadOnlyMemory<byte> bytes = _output.Content;
        if (!IsBroken && !bytes.IsEmpty) bytes = bytes[SendNow(bytes.Span)..];
        if (!IsBroken && !bytes.IsEmpty) return SendRestAsync(bytes);
        _output.Release();
        return new(!IsBroken);
    }

    private async ValueTask WritePartsAsync(ContentWriter writer, int bytesHeld)
    {
        _contentHeld = bytesHeld;
        while (!IsBroken)
        {
            _output.Reserve(PartMax);
            int count = writer(_output.Free.Span[..PartMax]);
            if (count == 0) break;
            _output.End += count;
            if (_output.Length > InitialSize - PartMax) await SendAsync();
        }

        _contentHeld = 0;
    }

    private static void WriteHead(
        ByteBuffer output, Response response, ReadOnlySpan<byte> dateLine, ReadOnlySpan<byte> connectionLine)
    {
        output.Append(response.Head.Span);
        output.Append(dateLine);
        output.Append(connectionLine);
        output.Append("\r\n"u8);
    }

    private ValueTask<bool> MakeSpaceAsync(int count) =>
        _output.Length == 0 || _output.Length + count <= GatheredMax ? new(true) : SendAsync();

    private async ValueTask<bool> SendRestAsync(ReadOnlyMemory<byte> bytes)
    {
        bool sent = await SendAllAsync(bytes);
        _output.Release();
        return sent;
    }

    private async ValueTask<bool> SendAllAsync(ReadOnlyMemory<byte> bytes)
    {
        int sliceMax = server.Limits.SendSliceMax;
        while (!IsBroken && !bytes.IsEmpty)
        {
            int sent = SendNow(bytes.Span);
            bytes = bytes[sent..];
            if (sent == 0 && !IsBroken)
                bytes = bytes[await SendSliceAsync(bytes[..Math.Min(bytes.Length, sliceMax)])..];
        }

        return !IsBroken;
    }

    private async ValueTask<int> SendSliceAsync(ReadOnlyMemory<byte> slice)
    {
        _waiting = true;
        timeout.Begin(server.Time.GetTimestamp(), server.Limits.SendTimeout);
        try
        {
            countMemory();
            int taken = await socket.SendAsync(slice, SocketFlags.None);
            if (!timeout.End()) return Break();
            _waiting = false;
            return taken;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Not further up: a handler may still be using the request, and must be awaited.
            timeout.End();
            return Break();
        }
    }

    // Returns the number of bytes that the kernel took at once.
    private int SendNow(ReadOnlySpan<byte> bytes)
    {
        int sent = socket.Send(bytes, SocketFlags.None, out SocketError error);
        if (error == SocketError.Success) return sent;
        return error == SocketError.WouldBlock ? 0 : Break();
    }

    private int Break()
    {
        IsBroken = true;
        return 0;
    }
}
