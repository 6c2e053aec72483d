// Test code. The disk of the scripted MongoDB, an SQLite file: what was answered for is there after a
// kill -9. An insert command is one transaction.
//
//    documents   seq | namespace: database.collection | document: BSON

using Microsoft.Data.Sqlite;

namespace Letterbox.Tests.Support;

/// <summary>One file, read once and then only written. Not thread-safe.</summary>
internal sealed class ScriptedMongoFile : IDisposable
{
    private readonly SqliteConnection _connection;

    /// <summary>Opens or makes it.</summary>
    public ScriptedMongoFile(string path)
    {
        SQLitePCL.Batteries_V2.Init();
        _connection = new SqliteConnection($"Data Source={path};Pooling=False");
        _connection.Open();
        Execute("""
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = FULL;
            CREATE TABLE IF NOT EXISTS documents
                (seq INTEGER PRIMARY KEY, namespace TEXT NOT NULL, document BLOB NOT NULL);
            """);
    }

    /// <summary>Everything, in the order in which it came.</summary>
    public IEnumerable<(string Namespace, MongoDoc Document)> Read()
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = "SELECT namespace, document FROM documents ORDER BY seq";
        using SqliteDataReader rows = command.ExecuteReader();
        while (rows.Read())
            yield return (rows.GetString(0), MongoDoc.Decode(rows.GetFieldValue<byte[]>(1)));
    }

    /// <summary>Returns when all of them are on the disk.</summary>
    public void Add(string ns, IEnumerable<MongoDoc> documents)
    {
        using SqliteTransaction transaction = _connection.BeginTransaction();
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = "INSERT INTO documents (namespace, document) VALUES ($namespace, $document)";
        command.Parameters.AddWithValue("$namespace", ns);
        SqliteParameter value = command.Parameters.Add("$document", SqliteType.Blob);
        foreach (MongoDoc document in documents)
        {
            value.Value = document.Encode();
            command.ExecuteNonQuery();
        }

        transaction.Commit();
    }

    /// <inheritdoc/>
    public void Dispose() => _connection.Dispose();

    private void Execute(string sql)
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
