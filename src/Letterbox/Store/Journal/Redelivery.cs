// `letterbox redeliver`: what MongoDB has lost, by going back to an old backup, is brought to it again.
//
//    deliveries   seq  at             since 12:00
//                 100  11:00  stays   the watermark goes back to 100, and the relay, which looks for it
//                 250  12:30  goes    before every batch, goes on with message 101
//                 400  11:59  goes    the clock was set back: what comes after something lost is lost too
//
// MongoDB passes over what it still has: the keys are the same. What was purged cannot come back, and what is
// in quarantine is tried again with its neighbours.

using Letterbox.Messages;

namespace Letterbox.Store.Journal;

/// <summary>
/// Asks for messages to be delivered again. For any process, while the owner is at work or not.
/// </summary>
internal static class Redelivery
{
    /// <summary>
    /// Sets the watermark back to before the first delivery since then, durably. Returns how many delivered
    /// messages will be delivered again; with none, nothing is changed.
    /// </summary>
    /// <exception cref="StoreException">There is no journal, or it cannot be changed.</exception>
    public static long Request(string path, DateTimeOffset since)
    {
        using Sqlite journal = JournalFile.OpenToChange(path);
        Check(journal.Execute("BEGIN IMMEDIATE"));
        long first = Scalar($"""
            SELECT ifnull(min(seq), 0) FROM deliveries WHERE at >= {since.ToUnixTimeMilliseconds()}
            """);
        if (first == 0) return 0;
        // Those in quarantine do not count: when they alone are left, the greatest number ever given may
        // stand in the deliveries only, and deleting it there would have it given again.
        long messages = Scalar($"""
            SELECT count(*) FROM messages
            WHERE seq > ifnull((SELECT max(seq) FROM deliveries WHERE seq < {first}), 0)
              AND seq <= (SELECT max(seq) FROM deliveries)
              AND seq NOT IN (SELECT seq FROM quarantine)
            """);
        if (messages > 0) Check(journal.Execute($"DELETE FROM deliveries WHERE seq >= {first}; COMMIT"));
        return messages;

        void Check(int code) => JournalFile.Check(code, path);

        long Scalar(string sql)
        {
            Check(journal.Scalar(sql, out long value));
            return value;
        }
    }
}
