// The SQL that writes to the journal, prepared once for each connection.

namespace Letterbox.Store.Journal;

internal sealed class JournalStatements : IDisposable
{
    // Rows that one step of a purge deletes or a release moves: a few milliseconds.
    public const int Step = 500;

    private readonly List<Statement> _all = [];

    public JournalStatements(Sqlite connection, string path)
    {
        Connection = connection;
        Begin = Prepare("BEGIN IMMEDIATE");
        Commit = Prepare("COMMIT");
        Rollback = Prepare("ROLLBACK");
        Insert = Prepare("""
            INSERT INTO messages (seq, id, date, username, message) SELECT ?1, ?2, ?3, ?4, ?5
            WHERE NOT EXISTS (SELECT 1 FROM rekeyed JOIN messages ON id = new WHERE old = ?2)
            ON CONFLICT (id) DO NOTHING
            """);
        Find = Prepare("""
            SELECT username, message FROM messages WHERE id = ?1
            UNION ALL SELECT username, message FROM rekeyed JOIN messages ON id = new WHERE old = ?1
            """);
        Rekey = Prepare("UPDATE messages SET id = ?2 WHERE seq = ?1");
        Remove = Prepare("DELETE FROM messages WHERE seq = ?1");
        Follow = Prepare("UPDATE rekeyed SET new = ?1 WHERE new = ?2");
        NoteRekeyed = Prepare("INSERT OR REPLACE INTO rekeyed (new, old) VALUES (?1, ?2)");
        Deliver = Prepare("""
            INSERT INTO deliveries (seq, at)
            SELECT ?1, ?2 WHERE ?3 = ifnull((SELECT max(seq) FROM deliveries), 0)
            """);
        Forget = Prepare("DELETE FROM quarantine WHERE seq > ?1 AND seq <= ?2");
        Quarantine = Prepare("INSERT INTO quarantine (seq, at, reason) VALUES (?1, ?2, ?3)");
        Move = Prepare($"""
            UPDATE messages SET seq = ?1 + place FROM (
              SELECT seq AS old, row_number() OVER (ORDER BY seq) AS place
              FROM quarantine JOIN messages USING (seq)
              WHERE at = 0 AND {Letterbox.Store.Journal.Quarantine.IsHeld} ORDER BY seq LIMIT {Step})
            WHERE seq = old
            """);
        ForgetMoved = Prepare(
            "DELETE FROM quarantine WHERE at = 0 AND seq NOT IN (SELECT seq FROM messages)");
        Expired = Prepare("""
            SELECT max(seq) FROM deliveries
            WHERE seq < ifnull((SELECT min(seq) FROM deliveries WHERE at > ?1), 9223372036854775807)
            """);
        PurgeMessages = Prepare("""
            DELETE FROM messages WHERE seq IN (
              SELECT seq FROM messages WHERE seq <= ?1 AND seq NOT IN (SELECT seq FROM quarantine)
              ORDER BY seq LIMIT ?2)
            """);
        PurgeDeliveries = Prepare($"""
            DELETE FROM deliveries WHERE seq IN (
              SELECT seq FROM deliveries WHERE seq < ?1 ORDER BY seq LIMIT {Step})
            """);

        Statement Prepare(string sql)
        {
            JournalFile.Check(connection.Prepare(sql, out Statement? statement), path);
            _all.Add(statement!);
            return statement!;
        }
    }

    public Sqlite Connection { get; }

    public Statement Begin { get; }
    public Statement Commit { get; }
    public Statement Rollback { get; }
    public Statement Insert { get; }
    public Statement Find { get; }
    public Statement Rekey { get; }
    public Statement Remove { get; }
    public Statement Follow { get; }
    public Statement NoteRekeyed { get; }
    public Statement Deliver { get; }
    public Statement Forget { get; }
    public Statement Quarantine { get; }
    public Statement Move { get; }
    public Statement ForgetMoved { get; }
    public Statement Expired { get; }
    public Statement PurgeMessages { get; }
    public Statement PurgeDeliveries { get; }

    public void Dispose()
    {
        foreach (Statement statement in _all) statement.Dispose();
        Connection.Dispose();
    }
}
