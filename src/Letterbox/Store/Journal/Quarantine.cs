// `letterbox quarantine`: what MongoDB does not take, seen, sent again or given up.
//
//    quarantine   seq  at     reason
//                  17  12:00  failed validation      list    shows it
//                  17      0  failed validation      retry   marks it; the relay, which looks every few
//                                                            seconds and at its start, moves the message
//                                                            behind the newest one: it is in its way again
//                  (none, and no message 17)         drop    deletes both
//
// The store process numbers the messages, so only it may move one: that is why a retry is a mark. The key
// stays, so a message that MongoDB took after all, or a retry asked for twice, does no harm.
//
// After `letterbox redeliver` a row may stand beyond the watermark: its message is on its way already, and
// will be judged anew with its neighbours. Until then it is not in quarantine.

using Letterbox.Messages;
using SQLitePCL;

namespace Letterbox.Store.Journal;

/// <summary>A message that MongoDB does not take.</summary>
/// <param name="Entry">The message, at its place in the journal.</param>
/// <param name="Reason">Why not; one line of plain text.</param>
/// <param name="Since">When it was refused; null: it is about to be sent again.</param>
internal sealed record QuarantinedMessage(JournalEntry Entry, string Reason, DateTimeOffset? Since);

/// <summary>
/// Changes to the quarantine. For any process, while the journal's owner is at work or not. Each is done as a
/// whole or not at all, and on stable storage when it returns.
/// </summary>
internal static class Quarantine
{
    /// <summary>What is true, in SQL, of a row that does stand in quarantine.</summary>
    public const string IsHeld = "seq <= (SELECT max(seq) FROM deliveries)";

    /// <summary>
    /// Has messages sent to MongoDB again. Returns those that are not in quarantine: then nothing was done.
    /// </summary>
    /// <exception cref="StoreException">There is no journal, or it cannot be changed.</exception>
    public static IReadOnlyList<MessageKey> Retry(string path, IReadOnlyCollection<MessageKey> ids) =>
        Change(path, ids, "UPDATE quarantine SET at = 0 WHERE seq = ?1");

    /// <summary>Has all of them sent to MongoDB again. Returns how many.</summary>
    /// <exception cref="StoreException">There is no journal, or it cannot be changed.</exception>
    public static long RetryAll(string path)
    {
        using Sqlite journal = JournalFile.OpenToChange(path);
        JournalFile.Check(journal.Execute($"UPDATE quarantine SET at = 0 WHERE {IsHeld}"), path);
        return journal.Changes;
    }

    /// <summary>
    /// Removes messages for good. Returns those that are not in quarantine: then nothing was done.
    /// </summary>
    /// <exception cref="StoreException">There is no journal, or it cannot be changed.</exception>
    public static IReadOnlyList<MessageKey> Drop(string path, IReadOnlyCollection<MessageKey> ids) =>
        Change(
            path, ids, "DELETE FROM messages WHERE seq = ?1", "DELETE FROM quarantine WHERE seq = ?1");

    private static List<MessageKey> Change(
        string path, IReadOnlyCollection<MessageKey> ids, params string[] changes)
    {
        using Sqlite journal = JournalFile.OpenToChange(path);
        Check(journal.Execute("BEGIN IMMEDIATE"));
        using Statement find = Prepare(
            $"SELECT seq FROM messages JOIN quarantine USING (seq) WHERE id = ?1 AND {IsHeld}");
        var strange = new List<MessageKey>();
        foreach (MessageKey id in ids)
        {
            find.Bind(1, id.ToString());
            int code = find.Step();
            if (code is not (raw.SQLITE_ROW or raw.SQLITE_DONE)) Check(code);
            long sequence = code == raw.SQLITE_ROW ? find.Integer(0) : 0;
            find.Reset();
            if (sequence == 0) strange.Add(id);
            else foreach (string change in changes) Apply(change, sequence);
        }

        // Without the commit, closing the connection undoes what was done.
        if (strange.Count == 0) Check(journal.Execute("COMMIT"));
        return strange;

        void Check(int code) => JournalFile.Check(code, path);

        void Apply(string sql, long sequence)
        {
            using Statement statement = Prepare(sql);
            statement.Bind(1, sequence);
            Check(statement.Run());
        }

        Statement Prepare(string sql)
        {
            Check(journal.Prepare(sql, out Statement? statement));
            return statement!;
        }
    }
}
