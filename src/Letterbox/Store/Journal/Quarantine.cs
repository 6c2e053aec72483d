// `letterbox quarantine`: lists, retries or drops the messages that MongoDB rejects.
//
//    quarantine   seq  at     reason
//                  17  12:00  failed validation      list    shows it
//                  17      0  failed validation      retry   marks it; the relay, which checks every few
//                                                            seconds and at its start, moves the message
//                                                            behind the newest one and delivers it again
//                  (none, and no message 17)         drop    deletes both
//
// The store process numbers the messages, so only it may move one: that is why a retry is a mark. The key
// stays, so it is harmless if MongoDB has the message after all, or if a retry is requested twice.
//
// After `letterbox redeliver` a row may be beyond the watermark: its message is being delivered again. Until
// its outcome is known it does not count as quarantined.

using Letterbox.Messages;

namespace Letterbox.Store.Journal;

// Reason: one line of plain text.
// Since: null: it is about to be sent again.
internal sealed record QuarantinedMessage(JournalEntry Entry, string Reason, DateTimeOffset? Since);

// Changes to the quarantine, by any process, whether the owner of the journal is running or not. Each is
// atomic, and durable when it returns; a StoreException: there is no journal, or it cannot be changed.
internal static class Quarantine
{
    // SQL: whether a row counts as quarantined.
    public const string IsHeld = "seq <= (SELECT max(seq) FROM deliveries)";

    // Requests another delivery. Returns the messages that are not in quarantine: then nothing is changed.
    public static IReadOnlyList<MessageKey> Retry(string path, IReadOnlyCollection<MessageKey> ids) =>
        Change(path, ids, "UPDATE quarantine SET at = 0 WHERE seq = ?1");

    // Requests another delivery of all. Returns how many.
    public static long RetryAll(string path)
    {
        using Sqlite journal = JournalFile.OpenToChange(path);
        long all = journal.Scalar($"SELECT count(*) FROM quarantine WHERE {IsHeld}");
        JournalFile.ChangeInSteps(journal, () => journal.Prepare($"""
            UPDATE quarantine SET at = 0 WHERE seq IN (
              SELECT seq FROM quarantine WHERE at > 0 AND {IsHeld} LIMIT {JournalFile.Step})
            """).Run());
        return all;
    }

    // Deletes messages permanently. Returns those that are not in quarantine: then nothing is changed.
    public static IReadOnlyList<MessageKey> Drop(string path, IReadOnlyCollection<MessageKey> ids) => Change(
        path, ids, "DELETE FROM messages WHERE seq = ?1", "DELETE FROM quarantine WHERE seq = ?1");

    private static List<MessageKey> Change(
        string path, IReadOnlyCollection<MessageKey> ids, params string[] changes)
    {
        using Sqlite journal = JournalFile.OpenToChange(path);
        journal.Execute("BEGIN IMMEDIATE");
        var unknown = new List<MessageKey>();
        foreach (MessageKey id in ids)
        {
            long sequence = journal
                .Prepare($"SELECT seq FROM messages JOIN quarantine USING (seq) WHERE id = ?1 AND {IsHeld}")
                .Bind(id.ToString()).Scalar();
            if (sequence == 0) unknown.Add(id);
            else foreach (string change in changes) journal.Prepare(change).Bind(sequence).Run();
        }

        // Without the commit, closing the connection rolls back.
        if (unknown.Count == 0) journal.Execute("COMMIT");
        return unknown;
    }
}
