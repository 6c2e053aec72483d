// Finds the messages of receipts in the open journal: visitors ask what became of theirs.

using Letterbox.Messages;

namespace Letterbox.Store.Journal;

/// <summary>Safe on any thread. A search takes some microseconds, and never waits for the writer.</summary>
internal sealed class ReceiptLookup(string path) : IDisposable
{
    private readonly Lock _gate = new();
    private JournalReader? _reader;

    public FoundReceipt Find(MessageKey id)
    {
        lock (_gate)
        {
            try
            {
                _reader ??= JournalReader.Open(path);
                StoredMessage? message = _reader.Find(id);
                return message is null
                    ? new FoundReceipt(ReceiptState.Unknown)
                    : new FoundReceipt(ReceiptState.Stored, message.Date);
            }
            catch (StoreException)
            {
                // The next question opens the file again.
                Dispose();
                return default;
            }
        }
    }

    public void Dispose()
    {
        _reader?.Dispose();
        _reader = null;
    }
}
