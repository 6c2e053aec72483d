// `letterbox import`: messages that were written out come back in, under their keys and with their dates.
//
//    file ──▶ ImportReader ──▶ ImportFormat ──▶ batch ──▶ ImportTarget ──▶ MongoDB, or the journal
//                                  └── no message ──▶ named by its line, and on with the next
//
// A line that cannot be imported is skipped and reported: it stays in the file, to be corrected and
// imported again with all the others, which are there already then. A place that takes nothing now ends the
// import, for the same reason.

using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Journal;

namespace Letterbox.Commands;

/// <summary>One import. Used once.</summary>
/// <param name="store">Stores a batch.</param>
/// <param name="output">Gets the summary.</param>
/// <param name="errors">Gets a line for each line of the file that is not taken.</param>
internal sealed class Import(ImportBatch store, TextWriter output, TextWriter errors)
{
    private long _imported, _there, _rejected;

    /// <summary>Reads to the end. Returns whether everything that was read is stored.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public async Task<bool> RunAsync(Stream input)
    {
        var reader = new ImportReader(input);
        var batch = new List<JournalEntry>();
        string? failure = null;
        bool more = true;
        while (more && failure is null)
        {
            batch.Clear();
            more = Gather(reader, batch);
            if (batch.Count > 0) failure = await StoreAsync(batch);
        }

        output.WriteLine($"{_imported} imported, {_there} there already, {_rejected} rejected");
        if (failure is null) return _rejected == 0;
        errors.WriteLine(
            $"the import ended at line {batch[0].Sequence}: {failure}; "
            + "it can be repeated from the beginning");
        return false;
    }

    // False: that was the last of the file.
    private bool Gather(ImportReader reader, List<JournalEntry> batch)
    {
        int bytes = 0;
        while (batch.Count < JournalReader.PageMax && bytes < JournalReader.PageBytesMax)
        {
            if (!reader.Read(out ReadOnlySpan<byte> found)) return false;
            bytes += found.Length;
            if (ImportFormat.Read(found, out StoredMessage? message) is { } failure)
                Reject(reader.Line, failure);
            else batch.Add(new JournalEntry(reader.Line, message!));
        }

        return true;
    }

    private async Task<string?> StoreAsync(List<JournalEntry> batch)
    {
        ImportOutcome outcome = await store(batch);
        _imported += outcome.Imported;
        _there += outcome.There;
        foreach (RejectedEntry entry in outcome.Rejected) Reject(batch[entry.Index].Sequence, entry.Reason);
        return outcome.Failure;
    }

    private void Reject(long line, string reason)
    {
        _rejected++;
        errors.WriteLine($"line {line}: {reason}");
    }
}
