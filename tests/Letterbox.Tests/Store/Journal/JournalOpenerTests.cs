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
    [InlineData(raw.SQLITE_FULL, StoreObstacle.Disk)]
    [InlineData(raw.SQLITE_IOERR_FSYNC, StoreObstacle.Disk)]
    [InlineData(raw.SQLITE_BUSY, StoreObstacle.Disk)]
    [InlineData(raw.SQLITE_CANTOPEN, StoreObstacle.Access)]
    [InlineData(raw.SQLITE_READONLY, StoreObstacle.Access)]
    [InlineData(raw.SQLITE_PERM, StoreObstacle.Access)]
    [InlineData(raw.SQLITE_CORRUPT, StoreObstacle.None)]
    [InlineData(raw.SQLITE_NOTADB, StoreObstacle.None)]
    public void What_sqlite_says_tells_what_may_pass(int code, StoreObstacle obstacle) =>
        Assert.Equal(
            obstacle, Assert.Throws<StoreException>(() => JournalFile.Check(code, "path")).Obstacle);

    [Theory]
    [InlineData(28, StoreObstacle.Disk)]
    [InlineData(5, StoreObstacle.Disk)]
    [InlineData(30, StoreObstacle.Access)]
    [InlineData(13, StoreObstacle.Access)]
    [InlineData(2, StoreObstacle.Access)]
    public void What_the_system_says_tells_what_may_pass(int errno, StoreObstacle obstacle) =>
        Assert.Equal(obstacle, StoreException.OfFile("", new IOException("", errno)).Obstacle);

    [Fact]
    public void What_is_not_allowed_is_no_failing_disk() => Assert.Equal(
        StoreObstacle.Access, StoreException.OfFile("", new UnauthorizedAccessException()).Obstacle);

    [Theory]
    [InlineData(StoreObstacle.Disk, false, true)]
    [InlineData(StoreObstacle.Disk, true, true)]
    [InlineData(StoreObstacle.Access, false, false)]
    [InlineData(StoreObstacle.Access, true, true)]
    [InlineData(StoreObstacle.None, false, false)]
    [InlineData(StoreObstacle.None, true, false)]
    public async Task What_may_pass_is_waited_for(StoreObstacle obstacle, bool isRestart, bool waits)
    {
        await using var opener = new JournalOpener(
            () => throw new StoreException("all of it", "the reason") { Obstacle = obstacle },
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
        Assert.Equal(["Error: messages cannot be stored: all of it; senders are told to wait"], _log.Lines);
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
