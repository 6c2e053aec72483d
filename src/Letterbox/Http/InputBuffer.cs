// The bytes that one connection has received and not consumed yet.

using System.Buffers;
using System.Net.Sockets;

namespace Letterbox.Http;

/// <summary>Rents its memory when there is something to receive. Not thread-safe.</summary>
internal sealed class InputBuffer(Socket socket)
{
    /// <summary>Returned by <see cref="Receive"/> when nothing has arrived.</summary>
    public const int WouldBlock = -1;

    private const int InitialSize = 16 * 1024;

    private byte[] _bytes = [];
    private int _start, _end;

    // Bytes not consumed yet.
    public int Length => _end - _start;
    public int Capacity => _bytes.Length;

    public ReadStatus Read(RequestReader reader) => reader.Read(_bytes, _start, ref _end);

    public void Consume(int count)
    {
        _start += count;
        if (_start == _end) _start = _end = 0;
    }

    /// <summary>Receives without waiting; 0 at the end of the stream or on a reset.</summary>
    /// <param name="expected">Bytes that the current request takes, 0 if not known.</param>
    public int Receive(int expected)
    {
        if (_bytes.Length == 0) _bytes = ArrayPool<byte>.Shared.Rent(InitialSize);
        else if (_end == _bytes.Length) MakeSpace(expected);
        // Not much beyond the request: what follows it stays in memory while the request is handled.
        int space = Math.Min(_bytes.Length - _end, Math.Max(InitialSize, expected - Length));
        int count = socket.Receive(_bytes.AsSpan(_end, space), SocketFlags.None, out SocketError error);
        if (error == SocketError.WouldBlock) return WouldBlock;
        if (error != SocketError.Success) return 0;
        _end += count;
        return count;
    }

    /// <summary>All the memory, for input that is discarded.</summary>
    public Memory<byte> Discard()
    {
        if (_bytes.Length == 0) _bytes = ArrayPool<byte>.Shared.Rent(InitialSize);
        _start = _end = 0;
        return _bytes;
    }

    /// <summary>Keeps the bytes that are left in as little memory as they need.</summary>
    public void Shrink()
    {
        if (_start == _end) Release();
        else if (_bytes.Length > InitialSize && Length <= InitialSize) MoveTo(InitialSize);
    }

    public void Release()
    {
        (_start, _end) = (0, 0);
        if (_bytes.Length == 0) return;
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = [];
    }

    // A request never needs more than HttpLimits.RequestBytesMax: the reader rejects it before it does.
    private void MakeSpace(int expected)
    {
        if (_start == 0)
        {
            MoveTo(Math.Max(2 * _bytes.Length, expected));
            return;
        }

        _bytes.AsSpan(_start, Length).CopyTo(_bytes);
        (_start, _end) = (0, Length);
    }

    private void MoveTo(int size)
    {
        byte[] other = ArrayPool<byte>.Shared.Rent(size);
        _bytes.AsSpan(_start, Length).CopyTo(other);
        ArrayPool<byte>.Shared.Return(_bytes);
        (_bytes, _start, _end) = (other, 0, Length);
    }
}
