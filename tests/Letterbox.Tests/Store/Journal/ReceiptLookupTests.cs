// Receipts are looked up in the journal while it is written.

using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Journal;

public sealed class ReceiptLookupTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_message_is_found_as_soon_as_it_is_acknowledged()
    {
        using var receipts = new ReceiptLookup(_folder.File("letterbox.db"));
        Message message = Samples.Message("hello");
        Assert.Equal(ReceiptState.Unavailable, receipts.Find(message.Id).State);
        await using MessageJournal journal = Samples.OpenJournal(_folder);
        Assert.Equal(ReceiptState.Unknown, receipts.Find(message.Id).State);
        for (int i = 0; i < 3; i++)
        {
            message = Samples.Message($"number {i}");
            Assert.Equal(Receipt.Stored(message.Id), await journal.AppendAsync(message));
            FoundReceipt found = receipts.Find(message.Id);
            Assert.Equal(ReceiptState.Stored, found.State);
            Assert.True(StoredMessage.TryParseDate(found.Date, out _), found.Date);
        }
    }
}
