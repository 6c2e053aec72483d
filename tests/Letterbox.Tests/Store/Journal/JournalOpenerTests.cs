// The table on top of JournalOpener.cs, row by row.

using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;
using SQLitePCL;

namespace Letterbox.Tests.Store.Journal;

public sealed class JournalOpenerTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly ManualTime _time = new();
    private readonly RecordingLog _log = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(raw.SQLITE_FULL, nameof(StoreObstacle.Disk))]
    [InlineData(raw.SQLITE_IOERR_FSYNC, nameof(StoreObstacle.Disk))]
    [InlineData(raw.SQLITE_BUSY, nameof(StoreObstacle.Disk))]
    [InlineData(raw.SQLITE_CANTOPEN, nameof(StoreObstacle.Access))]
    [InlineData(raw.SQLITE_READONLY, nameof(StoreObstacle.Access))]
    [InlineData(raw.SQLITE_PERM, nameof(StoreObstacle.Access))]
    [InlineData(raw.SQLITE_CORRUPT, nameof(StoreObstacle.None))]
    [InlineData(raw.SQLITE_NOTADB, nameof(StoreObstacle.None))]
    public void What_sqlite_says_tells_what_may_pass(int code, string obstacle) =>
        Assert.Equal(obstacle, $"{Sqlite.Failure(code, "path").Obstacle}");

    [Theory]
    [InlineData(28, nameof(StoreObstacle.Disk))]
    [InlineData(5, nameof(StoreObstacle.Disk))]
    [InlineData(30, nameof(StoreObstacle.Access))]
    [InlineData(13, nameof(StoreObstacle.Access))]
    [InlineData(2, nameof(StoreObstacle.Access))]
    public void What_the_system_says_tells_what_may_pass(int errno, string obstacle) =>
        Assert.Equal(obstacle, $"{StoreException.OfFile("", new IOException("", errno)).Obstacle}");

    [Fact]
    public void What_is_not_allowed_is_no_failing_disk() => Assert.Equal(
        StoreObstacle.Access, StoreException.OfFile("", new UnauthorizedAccessException()).Obstacle);

    [Theory]
    [InlineData(nameof(StoreObstacle.Disk), false, true)]
    [InlineData(nameof(StoreObstacle.Disk), true, true)]
    [InlineData(nameof(StoreObstacle.Access), false, false)]
    [InlineData(nameof(StoreObstacle.Access), true, true)]
    [InlineData(nameof(StoreObstacle.None), false, false)]
    [InlineData(nameof(StoreObstacle.None), true, false)]
    public async Task What_may_pass_is_waited_for(string obstacle, bool isRestart, bool waits)
    {
        await using var opener = new JournalOpener(
            () => throw new StoreException("all of it", "the reason")
            {
                Obstacle = Enum.Parse<StoreObstacle>(obstacle),
            },
            isRestart, _time, _log);
        if (!waits)
        {
            Assert.Throws<StoreException>(opener.TryOpen);
            return;
        }

        Assert.Null(opener.TryOpen());
        Assert.Null(opener.TryOpen());
        Assert.Equal("the reason", opener.Failure);
        Assert.Equal(Receipt.Later("the reason"), await opener.AppendAsync(Samples.Message("hello")));
        Assert.Equal(["Error: messages cannot be stored: all of it; senders are asked to wait"], _log.Lines);
    }

    [Fact]
    public async Task It_is_tried_every_second_until_it_opens()
    {
        int attempts = 0;
        await using var opener = new JournalOpener(Open, isRestart: false, _time, _log);
        Assert.Null(opener.TryOpen());
        Task<MessageJournal?> opened = opener.OpenAsync(CancellationToken.None);
        _time.Advance(JournalOpener.RetryEvery);
        Assert.False(opened.IsCompleted);
        _time.Advance(JournalOpener.RetryEvery);
        Assert.NotNull(await opened);
        Assert.Null(opener.Failure);
        Message message = Samples.Message("hello");
        Assert.Equal(Receipt.Stored(message.Id), await opener.AppendAsync(message));

        MessageJournal Open() => ++attempts < 3
            ? throw new StoreException("full", "full") { Obstacle = StoreObstacle.Disk }
            : Samples.OpenJournal(_folder);
    }

    [Fact]
    public async Task A_stop_ends_the_attempts()
    {
        using var stop = new CancellationTokenSource();
        await using var opener = new JournalOpener(
            static () => throw new StoreException("full") { Obstacle = StoreObstacle.Disk },
            isRestart: false, _time, _log);
        opener.TryOpen();
        Task<MessageJournal?> opened = opener.OpenAsync(stop.Token);
        await stop.CancelAsync();
        Assert.Null(await opened);
    }
}
