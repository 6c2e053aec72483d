// What SQLite would silently do to a log: delete it when its database is missing, apply it to another
// database, discard what follows a damaged frame.

using System.Buffers.Binary;
using System.Text;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Journal;

public sealed class LogCheckTests : IDisposable
{
    private const int Frame = 24 + 4096;
    private const byte LeafOfTable = 13;

    private readonly TempFolder _folder = new();

    private string Db => _folder.File("letterbox.db");

    private string Wal => Db + "-wal";

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("missing")]
    [InlineData("empty")]
    public async Task A_log_without_its_database_is_left_alone_by_all_who_open_the_journal(string database)
    {
        await CrashAsync(20);
        File.Delete(Db);
        if (database == "empty") await File.WriteAllBytesAsync(Db, [], TestContext.Current.CancellationToken);
        byte[] log = await File.ReadAllBytesAsync(Wal, TestContext.Current.CancellationToken);

        var rejection = Assert.Throws<StoreException>(() => Samples.OpenJournal(_folder));
        Assert.Contains(
            $"{Db} is {database}, but {Wal} exists", rejection.Message, StringComparison.Ordinal);
        Assert.Contains("Nothing was changed", rejection.Message, StringComparison.Ordinal);
        Assert.Throws<StoreException>(() => JournalReader.Open(Db));
        Assert.Throws<StoreException>(() => JournalFile.OpenToChange(Db));
        Assert.Throws<StoreException>(() => JournalFile.Reopen(Db));
        Assert.Equal(log, await File.ReadAllBytesAsync(Wal, TestContext.Current.CancellationToken));
        Assert.Equal(database == "empty", File.Exists(Db));
    }

    [Fact]
    public async Task Half_a_transaction_without_its_database_is_left_alone_unless_it_is_that_which_makes_it()
    {
        byte[] journal = [0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7, .. new byte[504]];
        BinaryPrimitives.WriteInt32BigEndian(journal.AsSpan(16), 7);
        await File.WriteAllBytesAsync(Db + "-journal", journal, TestContext.Current.CancellationToken);
        Assert.Throws<StoreException>(() => Samples.OpenJournal(_folder));
        Assert.True(File.Exists(Db + "-journal"));

        BinaryPrimitives.WriteInt32BigEndian(journal.AsSpan(16), 0);
        await File.WriteAllBytesAsync(Db + "-journal", journal, TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(Db, [], TestContext.Current.CancellationToken);
        await Samples.OpenJournal(_folder).DisposeAsync();
    }

    [Theory]
    [InlineData("older", "is in neither of them")]
    [InlineData("another", "by its log")]
    [InlineData("no database", "has no header")]
    public async Task A_log_of_another_database_is_not_applied(string database, string expected)
    {
        using var other = new TempFolder();
        await using (MessageJournal journal = Samples.OpenJournal(other))
            await Samples.FillAsync(journal, database == "another" ? 3000 : 1);
        await CrashAsync(200, before: 200);
        if (database == "no database") await File.WriteAllTextAsync(Db, new string('x', 9000));
        else File.Copy(other.File("letterbox.db"), Db, overwrite: true);
        byte[] before = await File.ReadAllBytesAsync(Db, TestContext.Current.CancellationToken);
        byte[] log = await File.ReadAllBytesAsync(Wal, TestContext.Current.CancellationToken);

        var rejection = Assert.Throws<StoreException>(() => Samples.OpenJournal(_folder));
        Assert.Contains("do not belong together", rejection.Message, StringComparison.Ordinal);
        Assert.Contains(expected, rejection.Message, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(Db, TestContext.Current.CancellationToken));
        Assert.Equal(log, await File.ReadAllBytesAsync(Wal, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_flipped_byte_anywhere_is_logged_and_loses_nothing_or_what_its_page_held()
    {
        (string[] stored, byte[] log) = await CrashAsync(60);
        byte[] database = await File.ReadAllBytesAsync(Db, TestContext.Current.CancellationToken);
        var random = new Random(1);
        int corrected = 0, whole = 0;
        const int Tries = 120;
        for (int n = 0; n < Tries; n++)
        {
            // Each byte of the header and of a frame's header, then any; the first and the last frame too.
            int frames = (log.Length - 32) / Frame;
            int at = n < 32 ? n : n < 56 ? 32 + frames / 2 * Frame + n - 32 : random.Next(log.Length);
            if (n >= 90) at = (n % 2 == 0 ? 32 : log.Length - Frame) + random.Next(Frame);
            byte[] damaged = [.. log];
            damaged[at] ^= (byte)(1 << random.Next(8));
            Restore(database, damaged);
            var reported = new RecordingLog();
            string[] left;
            await using (MessageJournal journal = Samples.OpenJournal(_folder, log: reported))
                left = Samples.Texts(journal);

            int frame = at < 32 ? 0 : at - (at - 32) % Frame;
            string held = Encoding.Latin1.GetString(damaged.AsSpan(frame, Frame));
            Assert.Empty(left.Except(stored));
            Assert.Equal(left.Length, left.Distinct().Count());
            Assert.All(
                stored.Except(left), text => Assert.Contains(text[..9], held, StringComparison.Ordinal));
            Assert.StartsWith(
                $"Error: the log {Wal} is damaged at frame", reported.Lines[0], StringComparison.Ordinal);
            if (reported.Lines[0].Contains("nothing is lost", StringComparison.Ordinal))
            {
                Assert.Equal(stored, left);
                corrected++;
            }

            if (left.Length == stored.Length) whole++;
            string kept = Assert.Single(LogCheck.Kept(Db));
            Assert.Equal(damaged, await File.ReadAllBytesAsync(kept, TestContext.Current.CancellationToken));
            Assert.Equal(database, await File.ReadAllBytesAsync(
                kept.Replace("-wal", "", StringComparison.Ordinal), TestContext.Current.CancellationToken));
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{corrected} corrected, {whole} whole of {Tries}");
        Assert.True(corrected > Tries / 2, $"{corrected} corrected");
        Assert.True(whole > Tries * 9 / 10, $"{whole} whole");
    }

    [Fact]
    public async Task A_damaged_sector_loses_at_most_what_its_page_held()
    {
        (string[] stored, byte[] log) = await CrashAsync(400);
        byte[] database = await File.ReadAllBytesAsync(Db, TestContext.Current.CancellationToken);
        var random = new Random(2);
        int restored = 0;
        int frames = (log.Length - 32) / Frame - 3;
        // The last version of each leaf of the table, then any frames.
        int[] leaves =
        [
            .. Enumerable.Range(0, frames).Where(n => log[32 + n * Frame + 24] == LeafOfTable)
                .GroupBy(n => BinaryPrimitives.ReadUInt32BigEndian(log.AsSpan(32 + n * Frame)))
                .Select(static versions => versions.Last()),
        ];
        for (int n = 0; n < leaves.Length + 30; n++)
        {
            int frame = n < leaves.Length ? leaves[n] : random.Next(frames);
            byte[] damaged = [.. log];
            Span<byte> page = damaged.AsSpan(32 + frame * Frame + 24, 4096);
            string held = Encoding.Latin1.GetString(page);
            random.NextBytes(page.Slice(512 * random.Next(1, 8), 512));
            Restore(database, damaged);
            var reported = new RecordingLog();
            string[] left;
            await using (MessageJournal journal = Samples.OpenJournal(_folder, log: reported))
                left = Samples.Texts(journal);
            Assert.Empty(left.Except(stored));
            Assert.Equal(left.Length, left.Distinct().Count());
            Assert.All(stored.Except(left), text => Assert.Contains(text, held, StringComparison.Ordinal));
            if (reported.Lines[0].Contains("is restored", StringComparison.Ordinal)) restored++;
            else Assert.Equal(stored, left);
            Assert.Equal(["ok"], Samples.Query(Db, "PRAGMA integrity_check"));
            Assert.False(File.Exists(Db + ".recovered"));
        }

        Assert.True(restored > 0);
    }

    [Fact]
    public async Task Damage_to_a_log_that_is_in_the_database_already_loses_nothing()
    {
        (string[] stored, byte[] log) = await CrashAsync(100, copied: true);
        byte[] database = await File.ReadAllBytesAsync(Db, TestContext.Current.CancellationToken);
        var random = new Random(4);
        for (int n = 0; n < 60; n++)
        {
            byte[] damaged = [.. log];
            int at = random.Next(32, log.Length - 512);
            if (n % 2 == 0) damaged[at] ^= 0x80;
            else random.NextBytes(damaged.AsSpan(at, 512));
            Restore(database, damaged);
            await using MessageJournal journal = Samples.OpenJournal(_folder);
            Assert.Equal(stored, Samples.Texts(journal));
            Assert.Equal(["ok"], Samples.Query(Db, "PRAGMA integrity_check"));
        }
    }

    [Fact]
    public async Task A_long_message_is_never_restored_with_a_hole()
    {
        (string[] stored, byte[] log) = await CrashAsync(12, pages: 3);
        byte[] database = await File.ReadAllBytesAsync(Db, TestContext.Current.CancellationToken);
        for (int frame = 0; frame < (log.Length - 32) / Frame - 6; frame++)
        {
            byte[] damaged = [.. log];
            damaged.AsSpan(32 + frame * Frame + 24 + 1024, 2048).Clear();
            Restore(database, damaged);
            await using MessageJournal journal = Samples.OpenJournal(_folder);
            string[] left = Samples.Texts(journal);
            Assert.Empty(left.Except(stored));
            Assert.InRange(left.Length, stored.Length - 8, stored.Length);
        }
    }

    [Fact]
    public async Task A_torn_end_is_no_damage()
    {
        (string[] stored, byte[] log) = await CrashAsync(10);
        byte[] database = await File.ReadAllBytesAsync(Db, TestContext.Current.CancellationToken);
        for (int length = 0; length <= log.Length; length += 1013)
        {
            Restore(database, log[..length]);
            var reported = new RecordingLog();
            await using MessageJournal journal = Samples.OpenJournal(_folder, log: reported);
            Assert.Equal(stored.Take(Samples.Texts(journal).Length), Samples.Texts(journal));
            Assert.Empty(reported.Lines);
        }
    }

    [Fact]
    public async Task After_a_crash_during_the_recovery_it_starts_again()
    {
        (string[] stored, byte[] log) = await CrashAsync(30);
        byte[] database = await File.ReadAllBytesAsync(Db, TestContext.Current.CancellationToken);
        new Random(3).NextBytes(log.AsSpan(log.Length - 2 * Frame + 500, 3000));
        Restore(database, log);
        LogCheck.BeforeOpening(Db, new RecordingLog());
        Assert.True(File.Exists(Db + ".recovered"));
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        Assert.Empty(stored[..^1].Except(Samples.Texts(journal)));
        Assert.False(File.Exists(Db + ".recovered"));
    }

    [Fact]
    public async Task A_command_that_changes_the_journal_leaves_a_damaged_log_to_the_store_process()
    {
        (_, byte[] log) = await CrashAsync(10);
        log[32 + 2 * Frame + 100] ^= 1;
        await File.WriteAllBytesAsync(Wal, log, TestContext.Current.CancellationToken);
        var rejection = Assert.Throws<StoreException>(() => JournalFile.OpenToChange(Db));
        Assert.Contains("start the store process first", rejection.Message, StringComparison.Ordinal);
        Assert.Equal(log, await File.ReadAllBytesAsync(Wal, TestContext.Current.CancellationToken));
    }

    private void Restore(byte[] database, byte[] log)
    {
        foreach (string file in Directory.EnumerateFiles(_folder.Path)) File.Delete(file);
        File.WriteAllBytes(Db, database);
        File.WriteAllBytes(Wal, log);
    }

    // Files as a killed process leaves them; `before` messages are in the database already, a commit each.
    private async Task<(string[] Stored, byte[] Log)> CrashAsync(
        int count, int before = 0, int pages = 0, bool copied = false)
    {
        using var running = new TempFolder();
        await using (MessageJournal first = Samples.OpenJournal(running))
            await Samples.FillAsync(first, before);
        await using MessageJournal journal = Samples.OpenJournal(running);
        for (int n = 0; n < count; n++)
        {
            string text = pages == 0
                ? $"text {n:D4}."
                : string.Concat(Enumerable.Repeat($"п{n:D3}", pages * 333));
            Assert.Equal(ReceiptKind.Stored, (await journal.AppendAsync(Samples.Message(text))).Kind);
        }

        if (copied) Samples.Query(running.File("letterbox.db"), "PRAGMA wal_checkpoint(PASSIVE)");
        File.Copy(running.File("letterbox.db"), Db);
        File.Copy(running.File("letterbox.db-wal"), Wal);
        byte[] log = await File.ReadAllBytesAsync(Wal, TestContext.Current.CancellationToken);
        return (Samples.Texts(journal), log);
    }
}
