// Opening and closing leaves nothing behind. Memory and descriptors are the whole process's, so nothing
// else runs meanwhile.

using Letterbox.Messages;
using Letterbox.Store.Mongo;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Mongo;

[CollectionDefinition(nameof(MongoLeakTests), DisableParallelization = true)]
public sealed class MongoLeakTestsAlone;

[Collection(nameof(MongoLeakTests))]
public sealed class MongoLeakTests
{
    private const int Times = 200;

    [Fact]
    public async Task Many_times_opened_and_closed_leaves_nothing_behind()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "what a process holds is counted as Linux does");
        // The first times fill caches, and load what is loaded once.
        await CycleAsync(Times / 4);
        (int files, int threads, long bytes) before = Measure();
        await CycleAsync(Times);
        (int files, int threads, long bytes) after = Measure();
        // A leak would be of hundreds at least; the runtime itself may breathe.
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
            // Now and then it is the server that hangs up.
            if (i % 10 != 0) continue;
            server.Next("insert", MongoFault.After(MongoMisbehaviour.Half));
            Assert.False(store.Insert(batch).Stored);
        }

        Assert.True(server.Accepted >= 2 * times);
    }

    private static (int Files, int Threads, long Bytes) Measure()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        int files = Directory.GetFileSystemEntries("/proc/self/fd").Length;
        return (files, process.Threads.Count, Environment.WorkingSet);
    }
}
