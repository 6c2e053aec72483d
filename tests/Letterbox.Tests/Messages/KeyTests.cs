// Keys: what nobody can predict of them, and the next key of a key and a text.

using System.Text;
using Letterbox.Messages;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Messages;

public sealed class KeyTests
{
    private static readonly ManualTime s_time = new();
    private static readonly MessageKey s_key = MessageKey.New(s_time);

    [Fact]
    public void No_part_of_a_key_but_its_seconds_can_be_told_from_another_one()
    {
        byte[][] keys = [.. Enumerable.Range(0, 4096).Select(static _ => Bytes(MessageKey.New(s_time)))];
        Assert.Single(keys.Select(static key => Convert.ToHexString(key, 0, 4)).Distinct());
        Assert.Equal(keys.Length, keys.Select(Convert.ToHexString).Distinct().Count());
        for (int at = 4; at < MessageKey.Size; at++)
        {
            // 256 values, each hit 16 times on average: each bit goes either way, and no byte counts up.
            Assert.InRange(keys.Select(key => key[at]).Distinct().Count(), 250, 256);
            int[] steps = [.. keys.Zip(keys[1..], (a, b) => (byte)(b[at] - a[at]))];
            Assert.InRange(steps.Distinct().Count(), 250, 256);
        }
    }

    [Fact]
    public async Task Threads_do_not_share_keys()
    {
        static MessageKey[] Make() => [.. Enumerable.Range(0, 1000).Select(static _ =>
            MessageKey.New(s_time))];
        MessageKey[][] keys = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Factory.StartNew(
            Make, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        Assert.Equal(8000, keys.SelectMany(static some => some).Distinct().Count());
    }

    [Fact]
    public void A_key_costs_no_memory()
    {
        MessageKey.New(s_time);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++) MessageKey.New(s_time);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void The_next_key_is_always_the_same_and_of_the_same_second()
    {
        MessageKey next = Next(s_key, "ann", "hello");
        Assert.Equal(next, Next(s_key, "ann", "hello"));
        Assert.Equal(Bytes(s_key)[..4], Bytes(next)[..4]);
        // The journals of stores of different versions meet in MongoDB: this must never change.
        Assert.True(MessageKey.TryParse("635d8f3a1c2b3a4d5e6f7081", out MessageKey fixedKey));
        Assert.Equal("635d8f3ab5c6c789bccaba93", Next(fixedKey, "ann", "hello").ToString());
    }

    [Theory]
    [InlineData("ann", "hello!")]
    [InlineData("annh", "ello")]
    [InlineData("an", "nhello")]
    [InlineData("Ann", "hello")]
    public void Another_text_has_another_next_key_and_another_digest(string username, string text)
    {
        TextKey one = Of(s_key, "ann", "hello"), other = Of(s_key, username, text);
        Assert.NotEqual(one.Next, other.Next);
        Assert.NotEqual(one.Digest, other.Digest);
        Assert.False(one.IsDigest(Encoding.ASCII.GetBytes(other.Digest)));
        Assert.True(one.IsDigest(Encoding.ASCII.GetBytes(one.Digest)));
        Assert.Equal(TextKey.DigestLength, one.Digest.Length);
        Assert.NotEqual(one.Digest, Of(one.Next, "ann", "hello").Digest);
    }

    private static TextKey Of(MessageKey key, string username, string text) =>
        TextKey.Of(key, Encoding.UTF8.GetBytes(username), Encoding.UTF8.GetBytes(text));

    private static MessageKey Next(MessageKey key, string username, string text) =>
        Of(key, username, text).Next;

    private static byte[] Bytes(MessageKey key)
    {
        byte[] bytes = new byte[MessageKey.Size];
        key.Write(bytes);
        return bytes;
    }
}
