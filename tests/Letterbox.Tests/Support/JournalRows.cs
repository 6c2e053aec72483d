// What is in a journal, read from outside by plain SQL, as any SQLite tool would.

using Microsoft.Data.Sqlite;

namespace Letterbox.Tests.Support;

/// <summary>Reads journals without the product's own code.</summary>
public static class JournalRows
{
    /// <summary><c>username|message</c> of every row, in order of arrival.</summary>
    public static string[] Messages(string folder) =>
        Column(folder, "SELECT username || '|' || message FROM messages ORDER BY seq");

    /// <summary>The key of every row, in order of arrival.</summary>
    public static string[] Ids(string folder) => Column(folder, "SELECT id FROM messages ORDER BY seq");

    /// <summary>The text of every row, in order of arrival.</summary>
    public static string[] Texts(string folder) =>
        Column(folder, "SELECT message FROM messages ORDER BY seq");

    private static string[] Column(string folder, string sql)
    {
        SQLitePCL.Batteries_V2.Init();
        string path = Path.Combine(folder, "letterbox.db");
        using var file = new SqliteConnection($"Data Source={path};Mode=ReadOnly;Pooling=False");
        file.Open();
        using SqliteCommand command = file.CreateCommand();
        command.CommandText = sql;
        using SqliteDataReader rows = command.ExecuteReader();
        var values = new List<string>();
        while (rows.Read()) values.Add(rows.GetString(0));
        return [.. values];
    }
}
