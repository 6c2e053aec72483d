// Messages for tests, and the batches that the relay makes of them.

using System.Globalization;
using Letterbox.Store;

namespace Letterbox.Tests.Support;

/// <summary>Makes stored messages and batches.</summary>
internal static class MongoMessages
{
    private static readonly DateTime s_start = new(2022, 10, 29, 20, 20, 58);

    /// <summary>A message received so many seconds after the first, under a fresh key.</summary>
    public static StoredMessage At(
        double seconds, string text = "First message", string username = "krabaton") =>
        new(ObjectId.New(TimeProvider.System), Date(seconds), username, text);

    /// <summary>The date of a message received so many seconds after the first.</summary>
    public static string Date(double seconds) =>
        s_start.AddSeconds(seconds).ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture);

    /// <summary>Different messages, one second apart.</summary>
    public static JournalEntry[] Batch(int count) =>
        Batch([.. Enumerable.Range(0, count).Select(i => At(i, $"message {i}"))]);

    /// <summary>Messages of the greatest length in bytes, one second apart.</summary>
    public static JournalEntry[] LongestBatch(int count)
    {
        string longest = string.Concat(Enumerable.Repeat("📬", Message.TextMax));
        return Batch([.. Enumerable.Range(0, count).Select(i => At(i, longest))]);
    }

    /// <summary>These messages as a batch.</summary>
    public static JournalEntry[] Batch(params StoredMessage[] messages) =>
        [.. messages.Select(static (m, i) => new JournalEntry(i + 1, m))];
}
