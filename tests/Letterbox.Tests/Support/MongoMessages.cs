// Messages for tests, and the batches that the relay makes of them.

using System.Globalization;
using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Mongo;
using MongoDB.Driver;

namespace Letterbox.Tests.Support;

/// <summary>Makes stored messages and batches, and sends them.</summary>
internal static class MongoMessages
{
    private static readonly DateTime s_start = new(2022, 10, 29, 20, 20, 58);

    /// <summary>Blocks until the batch is stored or has failed.</summary>
    public static BatchOutcome Insert(this MongoStore store, IReadOnlyList<JournalEntry> batch) =>
        store.InsertAsync(batch, CancellationToken.None).GetAwaiter().GetResult();

    /// <summary>A delivery that blocks a thread of its own.</summary>
    public static DeliverBatch Blocking(Func<IReadOnlyList<JournalEntry>, BatchOutcome> deliver) =>
        (batch, _) => Task.Factory.StartNew(
            () => deliver(batch), default, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Has a server drop a database.</summary>
    public static void Drop(string uri, string database)
    {
        using var client = new MongoClient(uri);
        client.DropDatabase(database);
    }

    /// <summary>A message received so many seconds after the first, under a fresh key.</summary>
    public static StoredMessage At(
        double seconds, string text = "First message", string username = "krabaton") =>
        new(MessageKey.New(TimeProvider.System), Date(seconds), username, text);

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
