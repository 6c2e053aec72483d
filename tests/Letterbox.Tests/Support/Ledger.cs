// The books of a proof: what was sent, what was thanked for, and what a store must hold because of it.
//
// Messages are numbered, and the number is in the text. So a message that was stored twice shows even if it
// was given another key on the way.

using System.Collections.Concurrent;
using System.Globalization;
using Letterbox.Messages;

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
    // Keys and texts. One key may be that of several messages: strangers take the keys of others.
    private readonly ConcurrentDictionary<(string Id, string Text), bool> _sent = new();
    private readonly ConcurrentDictionary<(string Id, string Text), bool> _thanked = new();
    private int _number;

    /// <summary>Messages that were thanked for.</summary>
    public int Thanked => _thanked.Count;

    /// <summary>
    /// The next message, of any length, under a fresh key or the one given; it counts as sent.
    /// </summary>
    public Message Next(Random random, MessageKey? id = null)
    {
        string number = Interlocked.Increment(ref _number).ToString(CultureInfo.InvariantCulture);
        string tail = string.Concat(Enumerable.Repeat("ünï & 📬\r\n", random.Next(random.Next(300))));
        Message message = Texts.Message("ledger", $"{number} {tail}", id);
        Sent(message);
        return message;
    }

    /// <summary>A message goes under another key from now on.</summary>
    public void Sent(Message message) => _sent[Row(message)] = true;

    /// <summary>Somebody was told that this message is stored.</summary>
    public void Thank(Message message) => _thanked[Row(message)] = true;

    /// <summary>Compares with what a store holds: the key and the text of each message.</summary>
    /// <param name="stored">What it holds.</param>
    /// <param name="anyKey">The keys may have been changed on the way; the texts may not.</param>
    public Verdict Audit(IEnumerable<(string Id, string Text)> stored, bool anyKey = false)
    {
        (string Id, string Text)[] rows = [.. stored];
        HashSet<string> there = [.. rows.Select(row => anyKey ? row.Text : row.Id)];
        HashSet<string> texts = [.. _sent.Keys.Select(static row => row.Text)];
        return new Verdict(
            Lost: _thanked.Keys.Count(row => !there.Contains(anyKey ? row.Text : row.Id)),
            Doubled: rows.CountBy(static row => row.Text.Split(' ')[0]).Count(static same => same.Value > 1),
            Altered: rows.Count(row => anyKey ? !texts.Contains(row.Text) : !_sent.ContainsKey(row)));
    }

    /// <summary>Compares with the journal in that folder.</summary>
    public Verdict AuditJournal(string folder) =>
        Audit(JournalRows.Ids(folder).Zip(JournalRows.Texts(folder)));

    private static (string, string) Row(Message message) => (message.Id.ToString(), message.Text);
}
