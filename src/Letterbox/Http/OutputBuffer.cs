// The bytes on their way out of one connection: gathered here, handed to the kernel in one send.

using System.Buffers;
using System.Net.Sockets;

namespace Letterbox.Http;

/// <summary>Rents its memory for the first byte, gives it back when empty. Not thread-safe.</summary>
internal sealed class OutputBuffer(Socket socket)
{
    /// <summary>Most bytes gathered before a send: a pipeline of pages goes out in one.</summary>
    public const int Size = 64 * 1024;

    /// <summary>Room that is needed beside a response's own head: Date, Connection, the empty line.</summary>
    public const int LinesMax = 80;

    /// <summary>Most bytes of one part of a content that is written while it is sent.</summary>
    public const int PartMax = 4 * 1024;

    private const int InitialSize = 16 * 1024;

    private byte[] _bytes = [];
    private int _length;

    /// <summary>The client can no longer be reached.</summary>
    public bool Broken { get; private set; }

    /// <summary>What has been written and not yet released.</summary>
    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, _length);

    /// <summary>Bytes of memory that it holds.</summary>
    public int Capacity => _bytes.Length;

    /// <summary>It is as full as a content that is written while it is sent should make it.</summary>
    public bool IsFull => _length > InitialSize - PartMax;

    /// <summary>So many bytes can be written; always so when the buffer is empty.</summary>
    public bool HasSpace(int count) => _length == 0 || _length + count <= Size;

    /// <summary>Appends the bytes; <see cref="HasSpace"/> was asked.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (_bytes.Length - _length < bytes.Length) Grow(bytes.Length);
        bytes.CopyTo(_bytes.AsSpan(_length));
        _length += bytes.Length;
    }

    /// <summary>Appends the next part of a content; <c>false</c>: there is none.</summary>
    public bool WritePart(ContentWriter content)
    {
        if (_bytes.Length - _length < PartMax) Grow(PartMax);
        int count = content(_bytes.AsSpan(_length, PartMax));
        _length += count;
        return count > 0;
    }

    /// <summary>Appends a head with its lines of the moment and the empty line.</summary>
    public void WriteHead(Response response, ReadOnlySpan<byte> dateLine, bool close, bool keepAlive)
    {
        Write(response.Head.Span);
        Write(dateLine);
        if (close) Write("Connection: close\r\n\r\n"u8);
        else if (keepAlive) Write("Connection: keep-alive\r\n\r\n"u8);
        else Write("\r\n"u8);
    }

    /// <summary>Hands bytes to the kernel; how many it took at once, none if the client is gone.</summary>
    public int SendNow(ReadOnlySpan<byte> bytes)
    {
        int sent = socket.Send(bytes, SocketFlags.None, out SocketError error);
        if (error == SocketError.Success) return sent;
        return error == SocketError.WouldBlock ? 0 : Break();
    }

    /// <summary>Notes that the client is out of reach; returns 0, the bytes it takes from now on.</summary>
    public int Break()
    {
        Broken = true;
        return 0;
    }

    /// <summary>Sends a last answer as far as the kernel takes it at once.</summary>
    public void SendLast(Response response, ReadOnlySpan<byte> dateLine)
    {
        try
        {
            WriteHead(response, dateLine, close: true, keepAlive: false);
            Write(response.Content.Span);
            SendNow(_bytes.AsSpan(0, _length));
        }
        finally
        {
            Release();
        }
    }

    /// <summary>Forgets what was written, and gives the memory back.</summary>
    public void Release()
    {
        _length = 0;
        if (_bytes.Length == 0) return;
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = [];
    }

    private void Grow(int count)
    {
        byte[] larger =
            ArrayPool<byte>.Shared.Rent(Math.Max(2 * _bytes.Length, Math.Max(InitialSize, _length + count)));
        _bytes.AsSpan(0, _length).CopyTo(larger);
        if (_bytes.Length > 0) ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = larger;
    }
}
