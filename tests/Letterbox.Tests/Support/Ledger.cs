// The books of a proof: what was sent, what was thanked for, and what a store must hold because of it.
//
// Messages are numbered, and the number is in the text. So a message that was stored twice shows even if it
// was given another key on the way.

using System.Collections.Concurrent;
using System.Globalization;

namespace Letterbox.Tests.Support;

/// <summary>What a store holds, measured against the promise.</summary>
/// <param name="Lost">Thanked for, and not there.</param>
/// <param name="Doubled">Numbers that are there more than once.</param>
/// <param name="Altered">There, and not as they were sent, or never sent at all.</param>
internal readonly record struct Verdict(int Lost, int Doubled, int Altered)
{
    /// <summary>The promise was kept.</summary>
    public static Verdict Kept => default;
}

/// <summary>Numbered messages and their fate. Safe on any thread.</summary>
internal sealed class Ledger
{
    private readonly ConcurrentDictionary<string, string> _sent = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> _thanked = new(StringComparer.Ordinal);
    private int _number;

    /// <summary>Messages that were thanked for.</summary>
    public int Thanked => _thanked.Count;

    /// <summary>
    /// The next message, of any length, under a fresh key or the one given; it counts as sent.
    /// </summary>
    public Message Next(Random random, ObjectId? id = null)
    {
        string number = Interlocked.Increment(ref _number).ToString(CultureInfo.InvariantCulture);
        string tail = string.Concat(Enumerable.Repeat("ünï & 📬\r\n", random.Next(random.Next(300))));
        Message message = Texts.Message("ledger", $"{number} {tail}", id);
        _sent[message.Id.ToString()] = message.Text;
        return message;
    }

    /// <summary>Somebody was told that this message is stored.</summary>
    public void Thank(Message message) => _thanked[message.Id.ToString()] = message.Text;

    /// <summary>Compares with what a store holds: the key and the text of each message.</summary>
    public Verdict Audit(IEnumerable<(string Id, string Text)> stored)
    {
        (string Id, string Text)[] rows = [.. stored];
        HashSet<string> ids = [.. rows.Select(static row => row.Id)];
        return new Verdict(
            Lost: _thanked.Keys.Count(id => !ids.Contains(id)),
            Doubled: rows.CountBy(static row => row.Text.Split(' ')[0]).Count(static same => same.Value > 1),
            Altered: rows.Count(row => _sent.GetValueOrDefault(row.Id) != row.Text));
    }

    /// <summary>Compares with the journal in that folder.</summary>
    public Verdict AuditJournal(string folder) =>
        Audit(JournalRows.Ids(folder).Zip(JournalRows.Texts(folder)));
}
