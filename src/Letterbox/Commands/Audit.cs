// `letterbox audit`: checks that every accepted message is stored where it should be, once and unaltered.
//
//    what is compared      finding
//    the journal itself    SQLite's integrity_check fails                               damaged
//                          a row is not a valid message                                 illegal
//    journal ──▶ MongoDB   delivered or in quarantine, but not in MongoDB               missing
//                          delivered, but with another user name or text in MongoDB     different
//    MongoDB ──▶ journal   newer than anything that may have been purged, not in it     extra
//
// Purged messages are in MongoDB only. They were received before the oldest delivery that the journal still
// records (a purge keeps that record), so only newer documents must be in the journal. The message with the
// lowest number is not a bound: a message that was released from quarantine or imported has a new number and
// an old date. An extra document was written by another program, or by a store with another journal.
//
// The audit reads page by page and compares key by key while messages arrive, so memory does not grow with
// what is stored. A message that is not delivered yet is no finding: if its key is taken, it gets another.

using System.Globalization;
using Letterbox.Configuration;
using Letterbox.Messages;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;

namespace Letterbox.Commands;

// Writes a line for each finding. Used once.
internal sealed class Audit(JournalReader journal, TextWriter output)
{
    // Dates are local time, which is set back by an hour in autumn: purged messages may have later dates.
    private static readonly TimeSpan s_clockStep = TimeSpan.FromHours(1);

    private long _messages, _delivered, _quarantined, _compared;
    private long _damaged, _illegal, _missing, _different, _extra;

    // Returns whether there are no findings. Without MongoDB only the journal itself is checked. The search
    // for extra documents reads the recent ones in MongoDB.
    /// <exception cref="StoreException">The journal or MongoDB cannot be read.</exception>
    public async Task<bool> RunAsync(MongoStore? mongo, bool extra)
    {
        journal.OnDamage = (_, _, damage) => Find(ref _damaged, "damaged", damage);
        foreach (string failure in journal.CheckIntegrity()) Find(ref _damaged, "damaged", failure);
        await CheckMessagesAsync(mongo);
        string? since = mongo is not null && extra ? ExtraSince() : null;
        if (since is not null) CheckExtra(mongo!, since);
        Summarise(mongo is not null, since);
        return _damaged + _illegal + _missing + _different + _extra == 0;
    }

    private async Task CheckMessagesAsync(MongoStore? mongo)
    {
        long last = 0;
        while (true)
        {
            // The watermark is read before the page: a later delivery is then not expected in MongoDB yet.
            long watermark = journal.ReadWatermark();
            IReadOnlyList<JournalEntry> page = journal.ReadAfter(last);
            if (page.Count == 0) return;
            last = page[^1].Sequence;
            IReadOnlyDictionary<MessageKey, StoredMessage>? there = mongo is null
                ? null
                : await mongo.FindAsync([.. page.Select(static entry => entry.Message.Id)]);
            foreach (JournalEntry entry in page)
            {
                CheckLegal(entry);
                if (entry.Sequence <= watermark) _delivered++;
                if (there is not null) Compare(entry, entry.Sequence <= watermark, there);
            }

            _messages += page.Count;
        }
    }

    private void CheckLegal(JournalEntry entry)
    {
        StoredMessage stored = entry.Message;
        bool legal = Message.TryCreate(
            stored.Id, stored.Username, stored.Text, out _, out FieldError? failure);
        bool dated = StoredMessage.TryParseDate(stored.Date, out _);
        if (legal && dated) return;
        Find(ref _illegal, "illegal", stored, failure?.Reason ?? "the date is invalid");
    }

    private void Compare(
        JournalEntry entry, bool delivered, IReadOnlyDictionary<MessageKey, StoredMessage> there)
    {
        StoredMessage ours = entry.Message;
        string? quarantine = delivered ? journal.QuarantineReason(entry.Sequence) : null;
        if (quarantine is not null) _quarantined++;
        string note = quarantine is null ? "" : $"in quarantine: {quarantine}";
        if (!there.TryGetValue(ours.Id, out StoredMessage? theirs))
        {
            if (delivered) Find(ref _missing, "missing", ours, note);
        }
        else if (delivered && !ours.IsSameAs(theirs))
        {
            string username = theirs.Username == ours.Username ? "" : "username ";
            string text = theirs.Text == ours.Text ? "" : "message ";
            Find(ref _different, "different", ours, $"{username}{text}{note}");
        }
    }

    private void CheckExtra(MongoStore mongo, string since)
    {
        foreach (StoredMessage document in mongo.ReadSince(since))
        {
            _compared++;
            if (journal.Holds(document.Id)) continue;
            // It may have been purged meanwhile: then the bound has moved.
            if (ExtraSince() is not { } now || string.CompareOrdinal(document.Date, now) < 0) continue;
            Find(ref _extra, "extra", document, "");
        }
    }

    // The date from which on a document must be in the journal; null: unknown.
    private string? ExtraSince()
    {
        if (journal.ReadOldest() is not { } oldest) return null;
        if (!StoredMessage.TryParseDate(oldest.Message.Date, out DateTime date)) return null;
        bool purged = oldest.Sequence > 1;
        if (purged)
        {
            if (journal.ReadFirstDelivery() is not { } delivered) return null;
            DateTime local = LocalTime.Of(delivered);
            date = (local > date ? local : date) + s_clockStep;
        }

        return date.ToString(StoredMessage.DateFormat, CultureInfo.InvariantCulture);
    }

    private void Summarise(bool compared, string? extraSince)
    {
        output.WriteLine($"journal: {_messages} messages; {_damaged} damaged, {_illegal} illegal");
        if (!compared)
        {
            output.WriteLine("MongoDB is not configured: only the journal was checked");
            return;
        }

        output.WriteLine(
            $"MongoDB: {_delivered} delivered, of these {_quarantined} in quarantine, "
            + $"{_messages - _delivered} to be delivered; {_missing} missing, {_different} different");
        if (journal.CountRekeyed() is > 0 and long rekeyed)
            output.WriteLine($"MongoDB: {rekeyed} messages are stored under a different key");
        if (extraSince is not null)
            output.WriteLine($"MongoDB since {extraSince}: {_compared} documents; {_extra} extra");
    }

    private void Find(ref long count, string kind, StoredMessage message, string note)
    {
        string username = DisplayText.Visible(message.Username);
        Find(ref count, kind, $"{message.Id}  {message.Date}  {username}  {note}".TrimEnd());
    }

    private void Find(ref long count, string kind, string what)
    {
        count++;
        output.WriteLine($"{kind,-9}  {DisplayText.Visible(what)}");
    }
}
