// The growing buffer: no byte is lost or altered, whatever it grows, shrinks and moves.

using System.Runtime.InteropServices;
using Letterbox.Hosting;

namespace Letterbox.Tests.Hosting;

public sealed class ByteBufferTests
{
    [Fact]
    public void It_holds_what_a_list_holds()
    {
        var random = new Random(7);
        for (int run = 0; run < 200; run++)
        {
            var buffer = new ByteBuffer(4096);
            var expected = new List<byte>();
            for (int step = 0; step < 50; step++)
            {
                Change(buffer, expected, random);
                Assert.True(buffer.Content.Span.SequenceEqual(CollectionsMarshal.AsSpan(expected)));
                Assert.True(buffer.Length <= buffer.Capacity);
            }

            buffer.Release();
            Assert.Equal((0, 0), (buffer.Length, buffer.Capacity));
        }
    }

    [Theory]
    [InlineData(1, 4096)]
    [InlineData(5000, 8192)]
    [InlineData(16_384, 16_384)]
    [InlineData(20_000, 32_768)]
    [InlineData(65_536, 65_536)]
    [InlineData(65_537, 131_072)]
    [InlineData(200_000, 200_000)]
    public void It_takes_little_more_than_it_needs(int length, int capacity)
    {
        var buffer = new ByteBuffer(4096);
        buffer.Append(new byte[length]);
        Assert.Equal(capacity, buffer.Capacity);
        buffer.Consume(length);
        buffer.Shrink();
        Assert.Equal(0, buffer.Capacity);
    }

    private static void Change(ByteBuffer buffer, List<byte> expected, Random random)
    {
        switch (random.Next(6))
        {
            case 0:
                buffer.Shrink();
                break;
            case 1:
                int reserved = random.Next(20_000);
                buffer.Reserve(reserved);
                Assert.True(buffer.Free.Length >= reserved);
                break;
            case 2:
            case 3:
                int consumed = random.Next(expected.Count + 1);
                buffer.Consume(consumed);
                expected.RemoveRange(0, consumed);
                break;
            default:
                byte[] more = new byte[random.Next(10_000)];
                random.NextBytes(more);
                buffer.Append(more);
                expected.AddRange(more);
                break;
        }
    }
}
