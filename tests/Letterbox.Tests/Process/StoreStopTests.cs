// A store process stops in good order, whatever it waits for.

using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Store.Journal;
using Letterbox.Tests.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class StoreStopTests
{
    [Fact]
    public async Task A_mongodb_that_hangs_does_not_keep_the_journal_from_being_closed()
    {
        await using var mongo = new ScriptedMongo();
        mongo.Next("insert", MongoFault.Before(MongoMisbehaviour.Freeze));
        using var folder = new TempFolder();
        // Far beyond what the supervisor, or this test, would wait.
        string uri = mongo.Uri + "&socketTimeoutMS=600000";
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(
            ["store"], new() { ["LETTERBOX_MONGODB_URI"] = uri }, folder.Path);
        Message message = Texts.Message("ann", "hello");
        await StoreLink.SendOnceAsync([store.Socket], message, TimeSpan.FromSeconds(30));
        await Eventually.IsAsync(() => mongo.Seen("insert").Count == 1);

        store.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await store.EndedAsync());
        Assert.Equal([folder.File("letterbox.db")], Directory.GetFiles(folder.Path, "letterbox.db*"));
        Assert.Equal(["ann|hello"], JournalRows.Messages(folder.Path));
    }

    [Fact]
    public async Task A_stop_while_it_waits_for_another_ones_journal_is_a_stop_in_good_order()
    {
        using var folder = new TempFolder();
        await using MessageJournal other = Samples.OpenJournal(folder);
        await using LetterboxProcess store = LetterboxProcess.Launch(["store"], data: folder.Path);
        await store.Error.SeeAsync("waiting for the other process to end");
        store.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await store.EndedAsync());
    }
}
