// The targets of `letterbox import`: MongoDB, as for the relay, or the journal, as for the store process.
// Both skip a message that is stored already, and reject a different one under the same key.

using System.Globalization;
using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;

namespace Letterbox.Commands;

// Stores a batch whose entries are numbered by their line in the file; safe to repeat.
internal delegate ValueTask<ImportOutcome> ImportBatch(IReadOnlyList<JournalEntry> batch);

// AlreadyStored messages have the same content. Failure: why the outcome of some messages is unknown.
internal sealed record ImportOutcome(
    int Imported, int AlreadyStored, IReadOnlyList<RejectedEntry> Rejected, string? Failure = null);

internal static class ImportTarget
{
    // An election takes about ten seconds, and an attempt at an unreachable MongoDB takes five.
    private const int Attempts = 5;
    private static readonly TimeSpan s_retryDelay = TimeSpan.FromSeconds(1);

    /// <summary>Stores in the journal, which this process owns.</summary>
    public static ImportBatch Journal(MessageJournal journal) => async batch =>
    {
        long before = journal.LastSequence;
        ValueTask<Receipt>[] waiting = [.. batch.Select(entry => Append(journal, entry.Message))];
        var receipts = new List<Receipt>(waiting.Length);
        foreach (ValueTask<Receipt> receipt in waiting) receipts.Add(await receipt);

        // This is the only writer, so the journal has grown by exactly the new messages.
        int imported = (int)(journal.LastSequence - before);
        int stored = receipts.Count(static receipt => receipt.Kind == ReceiptKind.Stored);
        RejectedEntry[] rejected =
        [
            .. from receipt in receipts.Index()
               where receipt.Item.Kind == ReceiptKind.Rejected
               select new RejectedEntry(receipt.Index, receipt.Item.Reason),
        ];
        string? failure = receipts.Find(static receipt => receipt.Kind == ReceiptKind.Later).Reason;
        return new ImportOutcome(imported, stored - imported, rejected, failure);
    };

    public static ImportBatch Mongo(MongoStore mongo, TimeProvider time) => async batch =>
    {
        IReadOnlyDictionary<MessageKey, StoredMessage>? present = null;
        for (int attempt = 1; ; attempt++)
        {
            string failure;
            bool needsOperator = false;
            try
            {
                // Only before the first attempt: afterwards these may be messages of this import.
                present ??= await mongo.FindAsync([.. batch.Select(static entry => entry.Message.Id)]);
                BatchOutcome outcome = await mongo.InsertAsync(batch, CancellationToken.None);
                if (outcome.Stored) return Count(batch, present, outcome.Rejected);
                failure = outcome.Failure!.Reason;
                needsOperator = outcome.Failure.NeedsOperator;
            }
            catch (StoreException e)
            {
                failure = e.Message;
            }

            if (attempt == Attempts || needsOperator) return new ImportOutcome(0, 0, [], failure);
            await Task.Delay(s_retryDelay, time);
        }
    };

    private static ValueTask<Receipt> Append(MessageJournal journal, StoredMessage stored)
    {
        // ImportFormat has validated both.
        Message.TryCreate(stored.Id, stored.Username, stored.Text, out Message? message, out _);
        DateTime received = DateTime.ParseExact(
            stored.Date, StoredMessage.DateFormat, CultureInfo.InvariantCulture);
        return journal.ImportAsync(message!, received);
    }

    private static ImportOutcome Count(
        IReadOnlyList<JournalEntry> batch, IReadOnlyDictionary<MessageKey, StoredMessage> present,
        IReadOnlyList<RejectedEntry> rejected)
    {
        HashSet<int> skipped = [.. rejected.Select(static entry => entry.Index)];
        int imported = batch.Where((_, index) => !skipped.Contains(index))
            .Select(static entry => entry.Message.Id).Distinct().Count(id => !present.ContainsKey(id));
        RejectedEntry[] reported =
        [
            .. from entry in rejected
               let taken = Receipt.Taken(batch[entry.Index].Message.Id).Reason
               select entry.Reason == RejectedEntry.Conflict ? entry with { Reason = taken } : entry,
        ];
        return new ImportOutcome(imported, batch.Count - rejected.Count - imported, reported);
    }
}
