// `letterbox redeliver`: delivers again what MongoDB lost, for example when an old backup was restored.
//
//    deliveries   seq  at                since 12:00
//                 100  11:00  stays      the watermark is set back to 100; the relay reads it before every
//                 250  12:30  deleted    batch, and continues with message 101
//                 400  11:59  deleted    the clock was set back: what follows a lost message is lost too
//
// The keys stay the same, so MongoDB ignores what it still has. Purged messages cannot be delivered again;
// quarantined ones are.

namespace Letterbox.Store.Journal;

// For any process, whether the owner of the journal is running or not.
internal static class Redelivery
{
    // Sets the watermark back to before the first delivery since then, durably. Returns how many delivered
    // messages will be delivered again; if none, nothing is changed.
    public static long Request(string path, DateTimeOffset since)
    {
        using Sqlite journal = JournalFile.OpenToChange(path);
        long first = journal.Prepare("SELECT min(seq) FROM deliveries WHERE at >= ?1")
            .Bind(since.ToUnixTimeMilliseconds()).Scalar();
        if (first == 0) return 0;
        long before = journal.Prepare("SELECT max(seq) FROM deliveries WHERE seq < ?1").Bind(first).Scalar();
        // Quarantined ones do not count: if only they remain, the greatest number ever assigned may be in the
        // deliveries alone, and deleting it there would assign it again.
        const string sent = "messages WHERE seq > ?1 AND seq NOT IN (SELECT seq FROM quarantine)";
        long messages = journal
            .Prepare($"SELECT count(*) FROM {sent} AND seq <= (SELECT max(seq) FROM deliveries)")
            .Bind(before).Scalar();
        if (messages == 0) return 0;
        // From the end, so that the watermark goes back with each step.
        JournalFile.ChangeInSteps(journal, () => journal.Prepare($"""
            DELETE FROM deliveries WHERE EXISTS (SELECT 1 FROM {sent}) AND seq IN (
              SELECT seq FROM deliveries WHERE seq > ?1 ORDER BY seq DESC LIMIT {JournalFile.Step})
            """).Bind(before).Run());
        return messages;
    }
}
