// Opening and closing leaves nothing behind. Memory and descriptors are the whole process's, so nothing
// else runs meanwhile.

using Letterbox.Store;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store;

[CollectionDefinition(nameof(MongoLeakTests), DisableParallelization = true)]
public sealed class MongoLeakTestsAlone;

[Collection(nameof(MongoLeakTests))]
public sealed class MongoLeakTests
{
    [Fact]
    public async Task Two_hundred_times_opened_and_closed_leaves_nothing_behind()
    {
        await CycleAsync(50);
        (int files, int threads, long bytes) before = Measure();
        await CycleAsync(200);
        (int files, int threads, long bytes) after = Measure();
        // A leak would be of 200 at least; the thread pool and the collector may breathe.
        Assert.InRange(after.files - before.files, int.MinValue, 20);
        Assert.InRange(after.threads - before.threads, int.MinValue, 20);
        Assert.InRange(after.bytes - before.bytes, long.MinValue, 20 * 1024 * 1024);
    }

    private static async Task CycleAsync(int times)
    {
        await using var server = new ScriptedMongo();
        for (int i = 0; i < times; i++)
        {
            using var store = MongoStore.Open(server.Uri, "letterbox", "messages");
            JournalEntry[] batch = MongoMessages.Batch(1);
            Assert.True(store.Insert(batch).Stored);
            Assert.True(store.Insert(batch).Stored);
            // A cursor that is left in the middle.
            Assert.NotNull(store.ReadAll().First());
            Assert.Null(store.Ping());
        }

        Assert.True(server.Accepted >= 2 * times);
    }

    private static (int Files, int Threads, long Bytes) Measure()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        const string descriptors = "/proc/self/fd";
        int files = Directory.Exists(descriptors) ? Directory.GetFileSystemEntries(descriptors).Length : 0;
        return (files, process.Threads.Count, Environment.WorkingSet);
    }
}
