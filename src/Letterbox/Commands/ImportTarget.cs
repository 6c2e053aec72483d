// Where `letterbox import` brings messages: into MongoDB as the relay does, or into the journal as the store
// process does. Both skip a message that they already have under that key, and reject a different one.

using System.Globalization;
using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;

namespace Letterbox.Commands;

/// <summary>
/// Stores a batch, entries numbered by their line in the file. It can be stored again any number of times.
/// </summary>
internal delegate ValueTask<ImportOutcome> ImportBatch(IReadOnlyList<JournalEntry> batch);

/// <summary>What became of a batch.</summary>
/// <param name="Imported">How many are stored that were not there before.</param>
/// <param name="There">How many were there already, with the same user name and text.</param>
/// <param name="Rejected">Those that will never be stored.</param>
/// <param name="Failure">Why it is not known of all what became of them; null when it is.</param>
internal sealed record ImportOutcome(
    int Imported, int There, IReadOnlyList<RejectedEntry> Rejected, string? Failure = null);

/// <summary>The two places.</summary>
internal static class ImportTarget
{
    // An election takes ten seconds or so, and a try at a MongoDB that is away takes five.
    private const int Tries = 5;
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    /// <summary>Into the journal, whose owner this process is.</summary>
    public static ImportBatch Journal(MessageJournal journal) => async batch =>
    {
        long before = journal.LastSequence;
        ValueTask<Receipt>[] waiting = [.. batch.Select(entry => Append(journal, entry.Message))];
        var receipts = new List<Receipt>(waiting.Length);
        foreach (ValueTask<Receipt> receipt in waiting) receipts.Add(await receipt);

        // There is no other writer: the journal has grown by exactly the new messages.
        int imported = (int)(journal.LastSequence - before);
        int stored = receipts.Count(static receipt => receipt.Kind == ReceiptKind.Stored);
        RejectedEntry[] rejected =
        [
            .. from place in receipts.Index()
               where place.Item.Kind == ReceiptKind.Rejected
               select new RejectedEntry(place.Index, place.Item.Reason),
        ];
        string? failure = receipts.Find(static receipt => receipt.Kind == ReceiptKind.Later).Reason;
        return new ImportOutcome(imported, stored - imported, rejected, failure);
    };

    /// <summary>Into MongoDB.</summary>
    public static ImportBatch Mongo(MongoStore mongo, TimeProvider time) => async batch =>
    {
        IReadOnlyDictionary<MessageKey, StoredMessage>? there = null;
        for (int tries = 1; ; tries++)
        {
            string? failure;
            bool place = false;
            try
            {
                // Looked at once, before the first try: later it is not known whose work it is.
                there ??= await mongo.FindAsync([.. batch.Select(static entry => entry.Message.Id)]);
                BatchOutcome outcome = await mongo.InsertAsync(batch, CancellationToken.None);
                if (outcome.Stored) return Count(batch, there, outcome.Rejected);
                failure = outcome.Failure!.Reason;
                place = outcome.Failure.NeedsOperator;
            }
            catch (StoreException e)
            {
                failure = e.Message;
            }

            if (tries == Tries || place) return new ImportOutcome(0, 0, [], failure);
            await Task.Delay(s_pause, time);
        }
    };

    private static ValueTask<Receipt> Append(MessageJournal journal, StoredMessage stored)
    {
        // Legal both are: ImportFormat looked.
        Message.TryCreate(stored.Id, stored.Username, stored.Text, out Message? message, out _);
        DateTime received = DateTime.ParseExact(
            stored.Date, StoredMessage.DateFormat, CultureInfo.InvariantCulture);
        return journal.ImportAsync(message!, received);
    }

    private static ImportOutcome Count(
        IReadOnlyList<JournalEntry> batch, IReadOnlyDictionary<MessageKey, StoredMessage> there,
        IReadOnlyList<RejectedEntry> rejected)
    {
        HashSet<MessageKey> have = [.. there.Keys];
        HashSet<int> not = [.. rejected.Select(static entry => entry.Index)];
        int imported = batch.Index().Count(
            place => !not.Contains(place.Index) && have.Add(place.Item.Message.Id));
        RejectedEntry[] reported =
        [
            .. from entry in rejected
               let taken = Receipt.Taken(batch[entry.Index].Message.Id).Reason
               select entry.Reason == RejectedEntry.Conflict ? entry with { Reason = taken } : entry,
        ];
        return new ImportOutcome(imported, batch.Count - rejected.Count - imported, reported);
    }
}
