// `letterbox redeliver`: delivers again what MongoDB lost, for example when an old backup was restored.
//
//    deliveries   seq  at                since 12:00
//                 100  11:00  stays      the watermark is set back to 100; the relay reads it before every
//                 250  12:30  deleted    batch, and continues with message 101
//                 400  11:59  deleted    the clock was set back: what follows a lost message is lost too
//
// The keys stay the same, so MongoDB ignores what it still has. Purged messages cannot be delivered again;
// quarantined ones are.

using Letterbox.Messages;

namespace Letterbox.Store.Journal;

// For any process, whether the owner of the journal is running or not.
internal static class Redelivery
{
    /// <summary>
    /// Sets the watermark back to before the first delivery since then, durably. Returns how many delivered
    /// messages will be delivered again; if none, nothing is changed.
    /// </summary>
    /// <exception cref="StoreException">There is no journal, or it cannot be changed.</exception>
    public static long Request(string path, DateTimeOffset since)
    {
        using Sqlite journal = JournalFile.OpenToChange(path);
        journal.Execute("BEGIN IMMEDIATE");
        long first = journal.Scalar($"""
            SELECT ifnull(min(seq), 0) FROM deliveries WHERE at >= {since.ToUnixTimeMilliseconds()}
            """);
        if (first == 0) return 0;
        // Quarantined ones do not count: if only they remain, the greatest number ever assigned may be in the
        // deliveries alone, and deleting it there would assign it again.
        long messages = journal.Scalar($"""
            SELECT count(*) FROM messages
            WHERE seq > ifnull((SELECT max(seq) FROM deliveries WHERE seq < {first}), 0)
              AND seq <= (SELECT max(seq) FROM deliveries)
              AND seq NOT IN (SELECT seq FROM quarantine)
            """);
        if (messages > 0) journal.Execute($"DELETE FROM deliveries WHERE seq >= {first}; COMMIT");
        return messages;
    }
}
