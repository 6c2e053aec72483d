// Reading a journal that no process has open: it leaves no file behind, needs no rights to write, and what a
// store process changes meanwhile is seen.

using Letterbox.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Journal;

public sealed class JournalAtRestTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_reader_leaves_nothing_behind()
    {
        await StoreAsync(_folder.Path, "one", "two");
        string[] before = Files(_folder.Path);
        Assert.Equal(["one", "two"], Texts(_folder.Path));
        Assert.Equal(before, Files(_folder.Path));
    }

    [Fact]
    public async Task A_reader_of_a_log_without_its_index_leaves_nothing_behind()
    {
        await CopyOfCrashedAsync(_folder.Path, "one", "two");
        File.Delete(_folder.File("letterbox.db-shm"));
        string[] before = Files(_folder.Path);
        string[] temporary = Directory.GetFileSystemEntries(Path.GetTempPath(), "letterbox-reading-*");
        Assert.Equal(["one", "two"], Texts(_folder.Path));
        Assert.Equal(before, Files(_folder.Path));
        Assert.Equal(
            temporary, Directory.GetFileSystemEntries(Path.GetTempPath(), "letterbox-reading-*"));
    }

    [Fact]
    public async Task A_reader_follows_a_store_that_starts_and_stops_meanwhile()
    {
        await StoreAsync(_folder.Path, "one");
        using JournalReader reader = JournalReader.Open(_folder.File("letterbox.db"));
        Assert.Equal(["one"], reader.ReadAll().Select(static message => message.Text));
        await StoreAsync(_folder.Path, "two");
        Assert.Equal(["two"], reader.ReadNew().Select(static message => message.Text));
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        await journal.AppendAsync(Samples.Message("three"));
        Assert.Equal(["three"], reader.ReadNew().Select(static message => message.Text));
        await journal.AppendAsync(Samples.Message("four"));
        Assert.Equal(["four"], reader.ReadNew().Select(static message => message.Text));
    }

    [Theory]
    [InlineData("stopped")]
    [InlineData("killed")]
    [InlineData("copied without the index")]
    [InlineData("stopped, with an index of another program")]
    public async Task A_read_only_disk_can_be_listed(string state)
    {
        using var disk = new SmallDisk(mebibytes: 8);
        if (state.StartsWith("stopped", StringComparison.Ordinal))
            await StoreAsync(disk.Path, "one", "two");
        else await CopyOfCrashedAsync(disk.Path, "one", "two");
        if (state == "copied without the index") File.Delete(Path.Combine(disk.Path, "letterbox.db-shm"));
        if (state.EndsWith("program", StringComparison.Ordinal))
        {
            await File.WriteAllBytesAsync(
                Path.Combine(disk.Path, "letterbox.db-shm"), new byte[32768],
                TestContext.Current.CancellationToken);
        }

        disk.SetReadOnly(true);
        Assert.Equal(["one", "two"], Texts(disk.Path));
        disk.SetReadOnly(false);
    }

    [Fact]
    public async Task A_path_with_any_characters_can_be_read()
    {
        string folder = Directory.CreateDirectory(_folder.File("a?b#c%41 é")).FullName;
        await StoreAsync(folder, "one");
        Assert.Equal(["one"], Texts(folder));
    }

    private static async Task StoreAsync(string folder, params string[] texts)
    {
        await using MessageJournal journal =
            MessageJournal.Open(folder, new ManualTime(), new RecordingLog());
        foreach (string text in texts) await journal.AppendAsync(Samples.Message(text));
    }

    // The files of a store process, as they are when it is killed.
    private static async Task CopyOfCrashedAsync(string folder, params string[] texts)
    {
        using var running = new TempFolder();
        await using MessageJournal journal = Samples.OpenJournal(running);
        foreach (string text in texts) await journal.AppendAsync(Samples.Message(text));
        foreach (string kind in new[] { "", "-wal", "-shm" })
            File.Copy(journal.Path + kind, Path.Combine(folder, JournalFile.Name) + kind);
    }

    private static string[] Files(string folder) =>
        [.. Directory.EnumerateFiles(folder).Select(Path.GetFileName).Order()!];

    private static string[] Texts(string folder)
    {
        using JournalReader reader = JournalReader.Open(Path.Combine(folder, JournalFile.Name));
        return [.. reader.ReadAll().Select(static stored => stored.Text)];
    }
}
