// The journal on a real file: what is written, what is read, and the errors.

using System.Text;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;
using SQLitePCL;

namespace Letterbox.Tests.Store.Journal;

public sealed class JournalTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_message_is_stored_with_the_local_time_of_receipt_in_six_digits()
    {
        TimeZoneInfo zone = TimeZoneInfo.CreateCustomTimeZone("there", TimeSpan.FromHours(3), null, null);
        var time = new ManualTime(
            new DateTimeOffset(2022, 10, 29, 17, 20, 58, TimeSpan.Zero).AddMicroseconds(20_261), zone);
        await using MessageJournal journal = Samples.OpenJournal(_folder, time);
        Message message = Samples.Message("First message");
        Assert.Equal(Receipt.Stored(message.Id), await journal.AppendAsync(message));
        time.Advance(TimeSpan.FromMicroseconds(1_000_000 - 20_261));
        await journal.AppendAsync(Samples.Message("Second message"));

        Assert.Equal(
            [$"1|{message.Id}|2022-10-29 20:20:58.020261|krabaton|First message"],
            Samples.Query(journal.Path, """
                SELECT seq || '|' || id || '|' || date || '|' || username || '|' || message
                FROM messages WHERE seq = 1
                """));
        Assert.Equal(
            ["2022-10-29 20:20:59.000000"],
            Samples.Query(journal.Path, "SELECT date FROM messages WHERE seq = 2"));
    }

    [Fact]
    public async Task A_clock_that_steps_back_changes_dates_and_nothing_else()
    {
        var time = new ManualTime();
        Message[] messages;
        await using (MessageJournal journal = Samples.OpenJournal(_folder, time))
        {
            messages = await Samples.FillAsync(journal, 2);
            time.Advance(TimeSpan.FromDays(-1));
            await journal.AppendAsync(Samples.Message("third"));
        }

        time.Advance(TimeSpan.FromDays(-1));
        await using MessageJournal second = Samples.OpenJournal(_folder, time);
        await second.AppendAsync(Samples.Message("fourth"));
        Assert.Equal(Receipt.Stored(messages[0].Id), await second.AppendAsync(messages[0]));
        Assert.Equal(
            ["1 10-29 message 1", "2 10-29 message 2", "3 10-28 third", "4 10-27 fourth"],
            Samples.Query(second.Path, """
                SELECT seq || ' ' || substr(date, 6, 5) || ' ' || message FROM messages ORDER BY seq
                """));
    }

    public static TheoryData<string> Texts =>
    [
        "a\0b", "\0", "a\0", "Привет, мир", "👨‍👩‍👧 📬", "line\r\nbreak\nand\rmore",
        "'; DROP TABLE messages; --", " \t ", "\uFEFFbom", "\u001b[2J", "&=+%\"\\",
        string.Concat(Enumerable.Repeat("𐍈", 4000)),
        string.Concat(Enumerable.Repeat("\r\n", 4000)),
    ];

    [Theory]
    [MemberData(nameof(Texts))]
    public async Task Any_text_comes_back_whole_also_after_the_journal_was_closed(string text)
    {
        string name = text.Length > 64 ? "krabaton" : text;
        await using (MessageJournal journal = Samples.OpenJournal(_folder))
        {
            Message message = Samples.Message(text, name);
            Assert.Equal(ReceiptKind.Stored, (await journal.AppendAsync(message)).Kind);
            // Sent again it is recognised, so it is compared whole too.
            Assert.Equal(Receipt.Stored(message.Id), await journal.AppendAsync(message));
        }

        using JournalReader reader = JournalReader.Open(_folder.File("letterbox.db"));
        StoredMessage stored = Assert.Single(reader.ReadAll());
        Assert.Equal(text, stored.Text);
        Assert.Equal(name, stored.Username);
        Assert.Equal(
            [Convert.ToHexString(Encoding.UTF8.GetBytes(text))],
            Samples.Query(_folder.File("letterbox.db"), "SELECT hex(CAST(message AS BLOB)) FROM messages"));
    }

    [Fact]
    public async Task The_same_message_again_is_stored_once_and_a_different_one_under_its_id_is_rejected()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        Message message = Samples.Message("mine");
        Receipt taken = Receipt.Rejected($"id {message.Id} is already taken by a different message");
        Assert.True(taken.IsTaken);
        Assert.Equal(Receipt.Stored(message.Id), await journal.AppendAsync(message));
        Assert.Equal(Receipt.Stored(message.Id), await journal.AppendAsync(message));
        Assert.Equal(taken, await journal.AppendAsync(Samples.Message(message.Id, "other")));
        Assert.Equal(taken, await journal.AppendAsync(Samples.Message(message.Id, "mine", "other")));
        Assert.Equal(taken, await journal.AppendAsync(Samples.Message(message.Id, "mine\0")));
        Assert.Equal(["mine"], Samples.Texts(journal));
        // Copies take no number: the next message is the second.
        await journal.AppendAsync(Samples.Message("next"));
        Assert.Equal(2, journal.LastSequence);
    }

    [Fact]
    public async Task A_key_that_was_made_here_and_is_taken_is_exchanged_for_another()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        var fields = new MessageFields();
        fields.Set(MessageField.Username, "krabaton"u8);
        fields.Set(MessageField.Text, "mine"u8);
        Assert.Null(fields.ToMessage(TimeProvider.System, out Message? message));
        Assert.True(message!.HasServerKey);
        await journal.AppendAsync(Samples.Message(message.Id, "a client's"));
        Receipt receipt = await journal.AppendAsync(message);
        Assert.Equal(ReceiptKind.Stored, receipt.Kind);
        Assert.NotEqual(message.Id, receipt.Id);
        Assert.Equal(["a client's", "mine"], Samples.Texts(journal));
        Assert.Equal(
            [$"{receipt.Id}"], Samples.Query(journal.Path, "SELECT id FROM messages WHERE seq = 2"));
    }

    [Fact]
    public async Task Copies_in_one_batch_are_told_apart_as_well()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        Message message = Samples.Message("mine");
        Message other = Samples.Message(message.Id, "other");
        // Held up here, the writer finds all of them in one batch.
        using var go = new SemaphoreSlim(0);
        journal.Grown += (_, _) => go.Wait();
        await journal.AppendAsync(Samples.Message("first"));
        Message[] four = [message, other, message, Samples.Message("last")];
        Task<Receipt>[] receipts = [.. four.Select(each => journal.AppendAsync(each).AsTask())];
        go.Release(2);
        Receipt[] got = await Task.WhenAll(receipts);

        Assert.Equal(
            [ReceiptKind.Stored, ReceiptKind.Rejected, ReceiptKind.Stored, ReceiptKind.Stored],
            got.Select(static r => r.Kind));
        Assert.Equal(["first", "mine", "last"], Samples.Texts(journal));
    }

    [Fact]
    public async Task Many_senders_at_once_each_get_their_own_receipt_and_keep_their_order()
    {
        const int Senders = 32, Each = 100;
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        await Task.WhenAll(Enumerable.Range(0, Senders).Select(sender => Task.Run(async () =>
        {
            var receipts = new List<(Message Message, Task<Receipt> Receipt)>();
            for (int n = 0; n < Each; n++)
            {
                Message message = Samples.Message($"{n}", $"sender {sender}");
                receipts.Add((message, journal.AppendAsync(message).AsTask()));
                if (n % 7 == 0) await Task.Yield();
            }

            foreach ((Message message, Task<Receipt> receipt) in receipts)
                Assert.Equal(Receipt.Stored(message.Id), await receipt);
        })));

        using JournalReader reader = JournalReader.Open(journal.Path);
        ILookup<string, string> bySender = reader.ReadAll().ToLookup(
            static m => m.Username, static m => m.Text);
        Assert.Equal(Senders, bySender.Count);
        string[] inOrder = [.. Enumerable.Range(0, Each).Select(static n => $"{n}")];
        Assert.All(bySender, texts => Assert.Equal(inOrder, texts));
        Assert.Equal(Senders * Each, journal.LastSequence);
    }

    [Fact]
    public async Task A_message_that_a_foreign_trigger_will_not_have_waits_alone()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        Samples.Query(journal.Path, """
            CREATE TRIGGER picky BEFORE INSERT ON messages WHEN new.message = 'message 2'
            BEGIN SELECT raise(ABORT, 'not this one'); END
            """);
        Receipt[] got = await Task.WhenAll(
            Enumerable.Range(1, 3).Select(n => journal.AppendAsync(Samples.Message($"message {n}"))
                .AsTask()));
        Assert.Equal(
            [ReceiptKind.Stored, ReceiptKind.Later, ReceiptKind.Stored], got.Select(static r => r.Kind));
        Assert.Equal(["message 1", "message 3"], Samples.Texts(journal));
    }

    [Fact]
    public async Task A_number_that_a_second_writer_has_given_is_not_the_messages_fault()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        await journal.AppendAsync(Samples.Message("ours"));
        Samples.Query(journal.Path, """
            INSERT INTO messages VALUES
            (2, '635d8a1a9c3e5f0011223344', '2022-10-29 20:20:58.020261', 'theirs', 'theirs')
            """);
        Message message = Samples.Message("ours too");
        Assert.Equal(
            Receipt.Later("another program has changed the journal (SQLite error 1555)"),
            await journal.AppendAsync(message));
        // The file was read again: the next number is free.
        Assert.Equal(Receipt.Stored(message.Id), await journal.AppendAsync(message));
        Assert.Equal(["ours", "theirs", "ours too"], Samples.Texts(journal));
    }

    [Fact]
    public async Task A_trigger_that_rolls_back_tells_the_batch_to_wait_and_stores_nothing_by_the_way()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        Samples.Query(journal.Path, """
            CREATE TRIGGER rude BEFORE INSERT ON messages WHEN new.message = 'rude'
            BEGIN SELECT raise(ROLLBACK, 'all of it'); END
            """);
        Assert.Equal(ReceiptKind.Later, (await journal.AppendAsync(Samples.Message("rude"))).Kind);
        Assert.Equal(ReceiptKind.Stored, (await journal.AppendAsync(Samples.Message("kind"))).Kind);
        Assert.Equal(["kind"], Samples.Texts(journal));
    }

    [Fact]
    public async Task A_message_too_long_for_sqlite_is_rejected_alone()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        raw.sqlite3_limit(journal.Writer.Connection!.Handle, 0, 1000);
        Assert.Equal(
            ReceiptKind.Rejected, (await journal.AppendAsync(Samples.Message(new string('x', 2000)))).Kind);
        Assert.Equal(ReceiptKind.Stored, (await journal.AppendAsync(Samples.Message("short"))).Kind);
    }

    [Fact]
    public async Task A_full_disk_is_later_for_the_whole_batch_until_there_is_room()
    {
        var log = new RecordingLog();
        await using MessageJournal journal = Samples.OpenJournal(_folder, log: log);
        await journal.AppendAsync(Samples.Message("before"));
        journal.Writer.Connection!.Execute("PRAGMA max_page_count=1");

        Message big = Samples.Message(new string('x', 4000));
        Receipt[] receipts = await Task.WhenAll(
            Enumerable.Range(0, 20).Select(_ => journal.AppendAsync(Samples.Message(big.Text)).AsTask()));
        Assert.Contains(Receipt.Later("the disk is full"), receipts);
        Assert.Equal(Receipt.Later("the disk is full"), await journal.AppendAsync(big));

        journal.Writer.Connection!.Execute("PRAGMA max_page_count=100000");
        Assert.Equal(Receipt.Stored(big.Id), await journal.AppendAsync(big));
        int reported = receipts.Count(static receipt => receipt.Kind == ReceiptKind.Stored);
        Assert.Equal(reported + 2, Samples.Texts(journal).Length);
        Assert.Equal(reported + 2, journal.LastSequence);
        Assert.StartsWith(
            "Error: messages cannot be stored: the disk is full", log.Lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_commit_that_fails_is_later_and_the_file_is_opened_again_for_the_next_batch()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        await journal.AppendAsync(Samples.Message("before"));
        Sqlite failing = journal.Writer.Connection!;
        raw.sqlite3_commit_hook(failing.Handle, static _ => 1, null);

        Message message = Samples.Message("message");
        Assert.Equal(ReceiptKind.Later, (await journal.AppendAsync(message)).Kind);
        Assert.Equal(["before"], Samples.Texts(journal));
        Assert.Null(journal.Writer.Connection);

        Assert.Equal(Receipt.Stored(message.Id), await journal.AppendAsync(message));
        Assert.NotSame(failing, journal.Writer.Connection);
        Assert.Equal(["before", "message"], Samples.Texts(journal));
        Assert.Equal(2, journal.LastSequence);
    }

    [Fact]
    public async Task After_a_failed_commit_nothing_is_stored_while_the_log_cannot_be_made_sure_of()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        await journal.AppendAsync(Samples.Message("before"));
        using (HoldSnapshot(journal.Path))
        {
            raw.sqlite3_commit_hook(journal.Writer.Connection!.Handle, static _ => 1, null);
            await journal.AppendAsync(Samples.Message("fails"));
            // A reader keeps the log from being copied whole, so it is not known to be on the disk.
            Assert.Equal(
                Receipt.Later("another program has locked the journal"),
                await journal.AppendAsync(Samples.Message("waits")));
            Assert.Equal("another program has locked the journal", journal.Failure);
        }

        Assert.Equal(ReceiptKind.Stored, (await journal.AppendAsync(Samples.Message("after"))).Kind);
        Assert.Null(journal.Failure);
        Assert.Equal(["before", "after"], Samples.Texts(journal));
    }

    [Fact]
    public async Task A_journal_that_becomes_read_only_says_so()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        journal.Writer.Connection!.Execute("PRAGMA query_only=1");
        Assert.Equal(
            Receipt.Later("the journal is read-only"), await journal.AppendAsync(Samples.Message("x")));
        Assert.Equal(ReceiptKind.Stored, (await journal.AppendAsync(Samples.Message("y"))).Kind);
    }

    [Fact]
    public async Task A_lock_by_another_program_is_later_and_passes()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        using (Sqlite other = Sqlite.Open(journal.Path, raw.SQLITE_OPEN_READWRITE, TimeSpan.Zero))
        {
            other.Execute("BEGIN IMMEDIATE");
            Assert.Equal(
                Receipt.Later("another program has locked the journal"),
                await journal.AppendAsync(Samples.Message("x")));
            other.Execute("ROLLBACK");
            Assert.Equal(ReceiptKind.Stored, (await journal.AppendAsync(Samples.Message("y"))).Kind);
        }
    }

    [Fact]
    public async Task Stopping_leaves_one_file_with_everything_in_it_and_the_log_copied()
    {
        MessageJournal journal = Samples.OpenJournal(_folder);
        Task<Message[]> filling = Samples.FillAsync(journal, 2000);
        await journal.DisposeAsync();
        Assert.Equal(2000, (await filling).Length);
        Assert.False(File.Exists(journal.Path + "-wal"));
        Assert.Equal(2000, Samples.Texts(journal).Length);
        Assert.Equal(ReceiptKind.Later, (await journal.AppendAsync(Samples.Message("late"))).Kind);
    }

    [Fact]
    public async Task The_log_starts_over_and_does_not_grow_for_ever()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        string text = new('x', 4000);
        for (int round = 0; round < 40; round++)
        {
            await Task.WhenAll(
                Enumerable.Range(0, 256).Select(_ => journal.AppendAsync(Samples.Message(text)).AsTask()));
        }

        // 40 MB went through it.
        Assert.InRange(new FileInfo(journal.Path + "-wal").Length, 1, 12 * 1024 * 1024);
    }

    [Fact]
    public async Task A_reader_that_holds_on_to_an_old_state_delays_nothing()
    {
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        await journal.AppendAsync(Samples.Message("old"));
        string text = new('x', 4000);
        using (HoldSnapshot(journal.Path))
        {
            for (int n = 0; n < 12; n++) await Store256();
        }

        long held = new FileInfo(journal.Path + "-wal").Length;
        for (int n = 0; n < 12; n++) await Store256();
        Assert.InRange(new FileInfo(journal.Path + "-wal").Length, 1, held + (6 * 1024 * 1024));

        async Task Store256() => Assert.All(
            await Task.WhenAll(
                Enumerable.Range(0, 256).Select(_ => journal.AppendAsync(Samples.Message(text)).AsTask())),
            static receipt => Assert.Equal(ReceiptKind.Stored, receipt.Kind));
    }

    private static Sqlite HoldSnapshot(string path)
    {
        Sqlite reader = JournalFile.OpenToRead(path);
        Assert.Equal(raw.SQLITE_ROW, reader.Prepare("SELECT seq FROM messages").TryStep());
        return reader;
    }
}
