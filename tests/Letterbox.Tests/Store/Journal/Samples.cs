// Messages for the tests of the store, and a look into the journal's file that does not go through the code
// under test.

using System.Globalization;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;
using Microsoft.Data.Sqlite;

namespace Letterbox.Tests.Store.Journal;

internal static class Samples
{
    /// <summary>A message under a fresh key.</summary>
    public static Message Message(string text, string username = "krabaton") =>
        Message(MessageKey.New(TimeProvider.System), text, username);

    /// <summary>A message under a given key.</summary>
    public static Message Message(MessageKey id, string text, string username = "krabaton")
    {
        bool legal = Letterbox.Messages.Message.TryCreate(
            id, username, text, out Message? message, out var failure);
        Assert.True(legal, failure?.Reason);
        return message!;
    }

    /// <summary>
    /// A journal in that folder, with a clock that does not advance and a new log unless they are given.
    /// </summary>
    public static MessageJournal OpenJournal(
        TempFolder folder, ManualTime? time = null, RecordingLog? log = null) =>
        MessageJournal.Open(folder.Path, time ?? new ManualTime(), log ?? new RecordingLog());

    /// <summary>Stores messages in order, each with its number as text.</summary>
    public static async Task<Message[]> FillAsync(MessageJournal journal, int count)
    {
        Message[] messages = [.. Enumerable.Range(1, count).Select(static n => Message($"message {n}"))];
        Task<Receipt>[] receipts = [.. messages.Select(message => journal.AppendAsync(message).AsTask())];
        Assert.All(
            await Task.WhenAll(receipts), static receipt => Assert.Equal(ReceiptKind.Stored, receipt.Kind));
        return messages;
    }

    /// <summary>Texts of all messages in the journal, in order.</summary>
    public static string[] Texts(MessageJournal journal)
    {
        using JournalReader reader = JournalReader.Open(journal.Path);
        return [.. reader.ReadAll().Select(static stored => stored.Text)];
    }

    /// <summary>Locks the file for writing, as another program would, until it is disposed.</summary>
    public static SqliteConnection Lock(string path)
    {
        var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "BEGIN IMMEDIATE";
        command.ExecuteNonQuery();
        return connection;
    }

    /// <summary>
    /// Runs SQL on the file with another library's connection; gives the first column of the rows, as text.
    /// </summary>
    public static string[] Query(string path, string sql)
    {
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        using SqliteDataReader rows = command.ExecuteReader();
        var values = new List<string>();
        while (rows.Read()) values.Add(Convert.ToString(rows.GetValue(0), CultureInfo.InvariantCulture)!);
        return [.. values];
    }
}
