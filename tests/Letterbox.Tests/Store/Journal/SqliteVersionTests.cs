// The SQLite that is loaded, whichever package brought it.

using SQLitePCL;

namespace Letterbox.Tests.Store.Journal;

public sealed class SqliteVersionTests
{
    // 3.7.0 to 3.51.2 can damage a database in WAL mode when a checkpoint and a commit coincide
    // (sqlite.org/wal.html, "The WAL-Reset Bug").
    [Fact]
    public void It_is_not_one_whose_checkpoints_can_damage_the_journal()
    {
        Batteries_V2.Init();
        Assert.True(raw.sqlite3_libversion_number() >= 3_051_003, raw.sqlite3_libversion().utf8_to_string());
    }
}
