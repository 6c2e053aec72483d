// Files of the journal are deleted, moved or replaced while it is open: messages that would
// be lost are not acknowledged, earlier ones can be saved, and storing works again when the files are back.

using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;
using Diagnostics = System.Diagnostics;

namespace Letterbox.Tests.Store.Journal;

public sealed class JournalGoneTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly RecordingLog _log = new();

    public JournalGoneTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "files cannot go here");

    private string Data => _folder.File("data");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("letterbox.db")]
    [InlineData("letterbox.db-wal")]
    [InlineData("letterbox.db-shm")]
    [InlineData("letterbox.lock")]
    [InlineData("")]
    public async Task A_file_that_is_moved_makes_messages_wait_until_it_is_back(string name)
    {
        await using MessageJournal journal = MessageJournal.Open(Data, new ManualTime(), _log);
        await Samples.FillAsync(journal, 3);
        string from = Path.Combine(Data, name), to = _folder.File("elsewhere");
        Directory.Move(from, to);
        Message message = Samples.Message("during");
        string reason = $"{(name.Length > 0 ? name : "letterbox.db")} was moved or deleted";
        for (int n = 0; n < 2; n++) Assert.Equal(Receipt.Later(reason), await journal.AppendAsync(message));
        Assert.Equal(reason, journal.MissingFile);
        string reported = Assert.Single(_log.Lines, static line => line.Contains("the journal is missing"));
        Assert.Contains($"was moved to {to}", reported);

        Directory.Move(to, from);
        Assert.Equal(Receipt.Stored(message.Id), await journal.AppendAsync(message));
        Assert.Null(journal.MissingFile);
        Assert.Equal(["message 1", "message 2", "message 3", "during"], Samples.Texts(journal));
    }

    [Theory]
    [InlineData("letterbox.db")]
    [InlineData("letterbox.db-wal")]
    [InlineData("letterbox.db-shm")]
    [InlineData("")]
    public async Task What_a_deleted_file_holds_is_saved_at_once_while_no_message_comes(string name)
    {
        await using (MessageJournal journal = MessageJournal.Open(Data, new ManualTime(), _log))
        {
            await Samples.FillAsync(journal, 3);
            if (name.Length > 0) File.Delete(Path.Combine(Data, name));
            else Directory.Delete(Data, recursive: true);
            await Eventually.IsAsync(() => _log.Lines.Any(static line => line.Contains("was saved to")));
            Assert.NotNull(journal.MissingFile);
            Assert.Contains("cp /proc/", _log.Lines[0]);
            Assert.Equal(
                ReceiptKind.Later, (await journal.AppendAsync(Samples.Message("too late"))).Kind);
        }

        string saved = Assert.Single(Directory.GetFiles(Data, "*.saved-*"));
        Directory.CreateDirectory(_folder.File("restored"));
        File.Copy(saved, Path.Combine(_folder.File("restored"), JournalFile.Name));
        await using MessageJournal restored = MessageJournal.Open(
            _folder.File("restored"), new ManualTime(), _log);
        Assert.Equal(["message 1", "message 2", "message 3"], Samples.Texts(restored));
    }

    [Theory]
    [InlineData("letterbox.db")]
    [InlineData("letterbox.db-wal")]
    [InlineData("letterbox.lock")]
    public async Task A_file_in_its_place_is_not_the_same_and_is_left_alone(string name)
    {
        string path = Path.Combine(Data, name);
        byte[] other = [.. Enumerable.Repeat((byte)7, 5000)];
        await using (MessageJournal journal = MessageJournal.Open(Data, new ManualTime(), _log))
        {
            await Samples.FillAsync(journal, 3);
            File.Move(path, _folder.File("elsewhere"));
            await File.WriteAllBytesAsync(path, other, TestContext.Current.CancellationToken);
            Assert.Equal(ReceiptKind.Later, (await journal.AppendAsync(Samples.Message("x"))).Kind);
            Assert.Equal(other, await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken));
        }

        if (name != "letterbox.db-wal")
            Assert.Equal(other, await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_deleted_file_can_still_be_read_and_marked_for_the_relay()
    {
        await using MessageJournal journal = MessageJournal.Open(Data, new ManualTime(), _log);
        await Samples.FillAsync(journal, 3);
        using var reader = JournalReader.Open(journal.Path);
        Directory.Delete(Data, recursive: true);
        Assert.Equal(3, reader.ReadAfter(0).Count);
        Assert.True(journal.MarkDelivered(0, 3, []).Succeeded);
        Assert.Equal(3, reader.ReadWatermark());
    }

    [Fact]
    public async Task The_store_process_is_not_ready_and_nothing_it_acknowledged_for_is_lost()
    {
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(["store"], data: Data);
        var acknowledged = new List<string>();
        using var hasSome = new SemaphoreSlim(0);
        Task posting = PostAsync();
        for (int n = 0; n < 100; n++) await hasSome.WaitAsync(TestContext.Current.CancellationToken);
        Directory.Delete(Data, recursive: true);
        await posting;
        await store.Error.SeeAsync("the journal is missing: .* was deleted, and is still open: cp /proc/");
        await store.Error.SeeAsync("the journal was saved to ");
        using (SocketClient client = await SocketClient.ConnectAsync(
            (System.Net.IPEndPoint)store.Socket.ToConnect()))
        {
            await client.SendAsync("?\n");
            Assert.Contains("was moved or deleted", await client.ReadLineAsync());
        }

        string saved = Assert.Single(Directory.GetFiles(Data, "*.saved-*"));
        File.Move(saved, Path.Combine(Data, JournalFile.Name));
        Assert.Empty(acknowledged.Except(JournalRows.Ids(Data)));
        TestContext.Current.TestOutputHelper?.WriteLine($"acknowledged {acknowledged.Count}, lost 0");

        // Until the first that has to wait.
        async Task PostAsync()
        {
            using SocketClient client = await SocketClient.ConnectAsync(
                (System.Net.IPEndPoint)store.Socket.ToConnect());
            while (true)
            {
                string id = MessageKey.New(TimeProvider.System).ToString();
                await client.SendAsync($"id={id}&username=ann&message=hello\n");
                string? answer = await client.ReadLineAsync();
                if (answer != $"OK {id}") break;
                acknowledged.Add(id);
                hasSome.Release();
            }

            hasSome.Release(100);
        }
    }

    [Fact]
    public async Task Checking_the_files_adds_almost_nothing_to_a_commit()
    {
        await using MessageJournal journal = MessageJournal.Open(Data, new ManualTime(), _log);
        const int Checks = 10_000;
        var clock = Diagnostics.Stopwatch.StartNew();
        for (int n = 0; n < Checks; n++) Assert.Null(journal.Writer.Files.FindMissing());
        double each = clock.Elapsed.TotalMicroseconds / Checks;
        Console.Error.WriteLine($"a check of the journal's files: {each:F2} us");
    }
}
