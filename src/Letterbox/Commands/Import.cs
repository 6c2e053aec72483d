// `letterbox import`: stores exported messages again, with their keys and dates.
//
//    file ──▶ ImportReader ──▶ ImportFormat ──▶ batch ──▶ ImportTarget ──▶ MongoDB, or the journal
//                                  └── invalid ──▶ reported with its line number, and skipped
//
// An import can be repeated: messages that are stored already are only counted. So a rejected line can be
// corrected in the file and the whole file imported again, and a target that fails ends the import.

using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Journal;

namespace Letterbox.Commands;

// Used once. `output` receives the summary, `errors` a line for each rejected line of the file.
internal sealed class Import(ImportBatch store, TextWriter output, TextWriter errors)
{
    private long _imported, _present, _rejected;

    /// <summary>Reads to the end. Returns whether every message is stored.</summary>
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

        output.WriteLine($"{_imported} imported, {_present} already stored, {_rejected} rejected");
        if (failure is null) return _rejected == 0;
        errors.WriteLine(
            $"the import ended at line {batch[0].Sequence}: {failure}; it is safe to repeat it");
        return false;
    }

    // False at the end of the file.
    private bool Gather(ImportReader reader, List<JournalEntry> batch)
    {
        int bytes = 0;
        while (batch.Count < JournalReader.PageMax && bytes < JournalReader.PageBytesMax)
        {
            if (!reader.Read(out ReadOnlySpan<byte> found)) return false;
            bytes += found.Length;
            if (ImportFormat.TryRead(found, reader.IsCsv, out StoredMessage? message, out string? failure))
                batch.Add(new JournalEntry(reader.Line, message));
            else Reject(reader.Line, failure);
        }

        return true;
    }

    private async Task<string?> StoreAsync(List<JournalEntry> batch)
    {
        ImportOutcome outcome = await store(batch);
        _imported += outcome.Imported;
        _present += outcome.AlreadyStored;
        foreach (RejectedEntry entry in outcome.Rejected) Reject(batch[entry.Index].Sequence, entry.Reason);
        return outcome.Failure;
    }

    private void Reject(long line, string reason)
    {
        _rejected++;
        errors.WriteLine($"line {line}: {reason}");
    }
}
