// Bytes in pooled memory: appended at the end, consumed at the start. Takes no memory while it is released.
// Not thread-safe.

using System.Buffers;

namespace Letterbox.Hosting;

internal sealed class ByteBuffer(int initialSize)
{
    // The content is Bytes[Start..End].
    public byte[] Bytes { get; private set; } = [];
    public int Start { get; private set; }
    public int End { get; set; }

    public int Length => End - Start;
    public int Capacity => Bytes.Length;
    public ReadOnlyMemory<byte> Content => Bytes.AsMemory(Start, Length);
    public Memory<byte> Free => Bytes.AsMemory(End);

    public void Consume(int count)
    {
        Start += count;
        if (Start == End) Start = End = 0;
    }

    // Makes Free at least this large.
    public void Reserve(int count)
    {
        if (Capacity - End >= count) return;
        if (Capacity - Length < count)
        {
            MoveTo(Math.Max(Math.Max(initialSize, 2 * Capacity), Length + count));
            return;
        }

        Content.Span.CopyTo(Bytes);
        (Start, End) = (0, Length);
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        Reserve(bytes.Length);
        bytes.CopyTo(Free.Span);
        End += bytes.Length;
    }

    // Keeps the content in as little memory as it needs.
    public void Shrink()
    {
        if (Length == 0) Release();
        else if (Capacity > initialSize && Length <= initialSize) MoveTo(initialSize);
    }

    public void Release()
    {
        if (Capacity >= LargeBuffers.SizeMin) LargeBuffers.Return(Bytes);
        else if (Capacity > 0) ArrayPool<byte>.Shared.Return(Bytes);
        (Bytes, Start, End) = ([], 0, 0);
    }

    private void MoveTo(int size)
    {
        byte[] other = size > LargeBuffers.SizeMin / 2
            ? LargeBuffers.Rent(size)
            : ArrayPool<byte>.Shared.Rent(size);
        int length = Length;
        Content.Span.CopyTo(other);
        Release();
        (Bytes, End) = (other, length);
    }
}
