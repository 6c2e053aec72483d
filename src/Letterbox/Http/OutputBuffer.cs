// The bytes that one connection has to send, gathered so that they leave in one send.

using System.Buffers;

namespace Letterbox.Http;

/// <summary>Rents its memory at the first byte, returns it when released. Not thread-safe.</summary>
internal sealed class OutputBuffer
{
    /// <summary>Most bytes gathered before a send: a pipeline of pages leaves in one.</summary>
    public const int Size = 64 * 1024;

    /// <summary>Space needed besides a response's own head: Date, Connection, the empty line.</summary>
    public const int LinesMax = 80;

    /// <summary>Most bytes of one part of a content that is written while it is sent.</summary>
    public const int PartMax = 4 * 1024;

    private const int InitialSize = 16 * 1024;

    private byte[] _bytes = [];
    private int _length;

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, _length);
    public int Capacity => _bytes.Length;

    /// <summary>No further part (<see cref="WritePart"/>) fits without growing.</summary>
    public bool IsFull => _length > InitialSize - PartMax;

    /// <summary>Whether this many bytes may be written; always when the buffer is empty.</summary>
    public bool HasSpace(int count) => _length == 0 || _length + count <= Size;

    /// <summary>Appends the bytes; the caller has checked <see cref="HasSpace"/>.</summary>
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

    /// <summary>Appends a head with the lines that change from one sending to the next.</summary>
    public void WriteHead(Response response, ReadOnlySpan<byte> dateLine, bool close, bool keepAlive)
    {
        Write(response.Head.Span);
        Write(dateLine);
        if (close) Write("Connection: close\r\n\r\n"u8);
        else if (keepAlive) Write("Connection: keep-alive\r\n\r\n"u8);
        else Write("\r\n"u8);
    }

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
