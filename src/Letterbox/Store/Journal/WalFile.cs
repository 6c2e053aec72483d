// The journal's write-ahead log, read before SQLite opens it. SQLite stops at the first frame with a wrong
// checksum, as at the torn end after a crash, and then starts the log over: intact frames behind a damaged
// one would be lost. All numbers are big-endian (https://sqlite.org/fileformat2.html, section 4).
//
//    0    magic 0x377F0682, or ..83: checksums of big-endian words · version · page size · checkpoint
//   16    salt 1, salt 2: new each time the log starts over · checksum of the 24 bytes before
//   32    frame:  page number · pages of the database after this commit, or 0: no commit · both salts ·
//                 checksum · the page
//
// A checksum continues from the one before, over the first 8 bytes of a frame and its page. So a frame behind
// a damaged one can still be verified, starting from the checksum in the damaged one. And since each step of
// the checksum can be inverted, one wrong byte can be located: it is where the sum from the start and the sum
// from the end meet. If there are several such places, the page may have been copied into the database
// already, which the checksum verifies too. Frames from before the log last started over, behind its end,
// have other salts.

using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Letterbox.Store.Journal;

// Intact: verified by its checksum, or corrected. Written: intact, or except for one byte.
internal readonly record struct WalFrame(uint Page, uint PagesAfter, bool Intact, bool Written);

internal sealed class WalFile
{
    private const int HeaderLength = 32;
    private const int FrameHeaderLength = 24;
    private const byte InteriorOfTable = 5;
    private const uint LockBytesAt = 0x40000000;
    private const uint LittleEndianMagic = 0x377F0682, BigEndianMagic = 0x377F0683;

    private readonly List<WalFrame> _frames = [];
    private readonly Dictionary<int, byte[]> _corrected = [];
    private readonly bool _bigEndian;

    private WalFile(SafeFileHandle log, SafeFileHandle database, int pageSize)
    {
        byte[] header = new byte[HeaderLength];
        RandomAccess.Read(log, header, 0);
        // A damaged header is treated as one that this machine wrote.
        _bigEndian = Word(header, 0) == BigEndianMagic;
        _bigEndian &= Sum(0, header.AsSpan(0, 24)) == Checksum(header, 24);
        bool intact = _bigEndian || Word(header, 0) == LittleEndianMagic;
        intact &= Sum(0, header.AsSpan(0, 24)) == Checksum(header, 24);
        bool known = intact || Correct(header.AsSpan(0, 24), header.AsSpan(24), 0) == 1;
        PageSize = known ? (int)Word(header, 8) : pageSize;
        ReadFrames(log, database, header, intact, known);
    }

    public int PageSize { get; }

    // The frames since the log last started over.
    public IReadOnlyList<WalFrame> Frames => _frames;

    // The number of frames that SQLite would read: all, or those before the first damaged one.
    public int Readable { get; private set; }

    // The number of frames up to the last commit that was written.
    public int Committed =>
        _frames.FindLastIndex(static frame => frame is { Written: true, PagesAfter: > 0 }) + 1;

    // Whether SQLite would discard a commit that was written. A torn end alone is not damage.
    public bool IsDamaged => Committed > Readable;

    // Whether the content of every page is known.
    public bool IsCorrected => _frames.Take(Committed).All(static frame => frame.Intact);

    // The number of commits that SQLite would discard.
    public int CommitsDiscarded => _frames.Skip(Readable).Count(static frame => frame.PagesAfter > 0);

    // Reads a log; null: there is none, or it is empty.
    // pageSize: that of the database, in case the log's header is damaged.
    public static WalFile? Read(string log, string database, int pageSize)
    {
        if (!File.Exists(log)) return null;
        using SafeFileHandle handle = Open(log), pages = Open(database);
        return RandomAccess.GetLength(handle) < HeaderLength ? null : new WalFile(handle, pages, pageSize);
    }

    // Applies the intact frames, up to the last commit, to a copy of the database. A page whose newest
    // version is lost is filled with 0xFF, which is no valid page, page number or text: reading it is
    // reported as damage, and never returns a message.
    public void ApplyTo(SafeFileHandle database, string log)
    {
        using SafeFileHandle handle = Open(log);
        byte[] frame = new byte[FrameHeaderLength + PageSize];
        uint pages = _frames[Committed - 1].PagesAfter;
        var missing = new HashSet<uint>();
        uint there = (uint)(RandomAccess.GetLength(database) / PageSize);
        for (uint n = there + 1; n <= pages; n++) missing.Add(n);
        for (int i = 0; i < Committed; i++)
        {
            uint number = _frames[i].Page;
            if (number == 0 || number > pages) continue;
            if (_corrected.TryGetValue(i, out byte[]? corrected)) corrected.CopyTo(frame, 0);
            else RandomAccess.Read(handle, frame, Offset(i));
            ReadOnlySpan<byte> page = frame.AsSpan(FrameHeaderLength);
            // An interior page only refers to other pages: a wrong one cannot change a message.
            bool usable = _frames[i].Intact || page[0] == InteriorOfTable;
            if (usable) RandomAccess.Write(database, page, (number - 1L) * PageSize);
            if (usable) missing.Remove(number);
            else missing.Add(number);
        }

        // Any version of page 1 will do: it holds the schema. But the size must be right, and the mode not
        // WAL (https://sqlite.org/fileformat2.html, section 1.3).
        missing.Remove(1);
        frame.AsSpan().Fill(0xFF);
        foreach (uint n in missing)
            RandomAccess.Write(database, frame.AsSpan(FrameHeaderLength), (n - 1L) * PageSize);
        RandomAccess.SetLength(database, (long)pages * PageSize);
        BinaryPrimitives.WriteUInt32BigEndian(frame, pages);
        RandomAccess.Write(database, frame.AsSpan(0, 4), 28);
        RandomAccess.Write(database, [1, 1], 18);
    }

    // Why this cannot be the log of a database of that size, which SQLite would damage with it; null: it can
    // be. Each page is in the database or in the log.
    public string? FindMismatch(long databaseLength)
    {
        WalFrame[] readable = [.. _frames.Take(Readable)];
        int committed = Array.FindLastIndex(readable, static frame => frame.PagesAfter > 0) + 1;
        if (committed == 0) return null;
        uint pages = readable[committed - 1].PagesAfter;
        long there = databaseLength / PageSize;
        HashSet<uint> logged = [.. readable[..committed].Select(static frame => frame.Page)];
        // The page with the lock bytes is never written.
        logged.Add(LockBytesAt / (uint)PageSize + 1);
        for (long n = there + 1; n <= pages; n++)
        {
            if (!logged.Contains((uint)n)) return $"page {n} is in neither of them";
        }

        // Only VACUUM shrinks a database, and it writes all pages.
        bool shrunk = there > pages && logged.Count(page => page <= pages) < pages;
        return shrunk ? $"it has {there} pages, and {pages} by its log" : null;
    }

    private static SafeFileHandle Open(string log) => File.OpenHandle(
        log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    private void ReadFrames(
        SafeFileHandle log, SafeFileHandle database, byte[] header, bool readable, bool before)
    {
        byte[] frame = new byte[FrameHeaderLength + PageSize];
        ulong seed = Checksum(header, 24);
        int ours = 0;
        uint most = 0;
        for (int i = 0; RandomAccess.Read(log, frame, Offset(i)) == frame.Length; i++)
        {
            if (i == 0 && !before) frame.AsSpan(8, 8).CopyTo(header.AsSpan(16));
            ReadOnlySpan<byte> salts = header.AsSpan(16, 8);
            bool salted = frame.AsSpan(8, 8).SequenceEqual(salts);
            bool sum = (salted || before) && IsSum(frame, seed);
            readable &= sum && salted && Word(frame, 0) != 0;
            if (readable) Readable = i + 1;
            int candidates = !sum && salted ? CorrectFrame(frame, seed) : 0;
            if (!sum && salted && candidates != 1 && TakeFromDatabase(frame, seed, database)) candidates = 1;
            bool corrected = !sum && candidates == 1;
            if (corrected) _corrected[i] = [.. frame];
            before = sum || corrected;
            if (before || salted) ours = i + 1;
            (uint page, uint pages) = (Word(frame, 0), Word(frame, 4));
            if (before) most = Math.Max(most, Math.Max(page, pages));
            // The number of pages may be damaged.
            bool written = before || (candidates > 0 && pages <= most + 1_000);
            _frames.Add(new WalFrame(page, pages, before, written));
            seed = Checksum(frame, 16);
        }

        _frames.RemoveRange(ours, _frames.Count - ours);
    }

    // A checkpoint may have copied the page before the frame was damaged: the checksum is then right with
    // that page.
    private bool TakeFromDatabase(byte[] frame, ulong seed, SafeFileHandle database)
    {
        byte[] copied = [.. frame];
        long at = (Word(frame, 0) - 1L) * PageSize;
        bool exists = at >= 0
            && RandomAccess.Read(database, copied.AsSpan(FrameHeaderLength), at) == PageSize;
        if (!exists || !IsSum(copied, seed)) return false;
        copied.CopyTo(frame, 0);
        return true;
    }

    private bool IsSum(byte[] frame, ulong seed) =>
        Sum(Sum(seed, frame.AsSpan(0, 8)), frame.AsSpan(FrameHeaderLength)) == Checksum(frame, 16);

    // The checksum covers two separate parts of the frame.
    private int CorrectFrame(byte[] frame, ulong seed)
    {
        byte[] covered = [.. frame.AsSpan(0, 8), .. frame.AsSpan(FrameHeaderLength)];
        int candidates = Correct(covered, frame.AsSpan(16, 8), seed);
        covered.AsSpan(0, 8).CopyTo(frame);
        covered.AsSpan(8).CopyTo(frame.AsSpan(FrameHeaderLength));
        return candidates;
    }

    // Searches for one wrong byte, in the covered bytes or in the checksum: counts the possible places, and
    // corrects it if there is exactly one. The highest byte of a word affects only the two highest bytes of
    // the checksum, so there the place often remains unknown. If more bytes are wrong, a single byte that
    // would explain it is found by chance in one of 2^40 cases.
    private int Correct(Span<byte> covered, Span<byte> checksum, ulong seed)
    {
        var sums = new List<ulong> { seed };
        for (int at = 0; at < covered.Length; at += 8) sums.Add(Sum(sums[^1], covered.Slice(at, 8)));
        byte[] right = new byte[8], found = right;
        BinaryPrimitives.WriteUInt64BigEndian(right, sums[^1]);
        int candidates = IsOneByte(right, checksum) ? 1 : 0;
        Span<byte> wrong = checksum;

        ulong behind = BinaryPrimitives.ReadUInt64BigEndian(checksum);
        for (int at = covered.Length - 8; at >= 0; at -= 8)
        {
            Span<byte> pair = covered.Slice(at, 8);
            (uint first, uint second) = ((uint)(behind >> 32), (uint)behind);
            (uint firstBefore, uint secondBefore) = ((uint)(sums[at / 8] >> 32), (uint)sums[at / 8]);
            right = new byte[8];
            SetOperand(right, first - firstBefore - secondBefore);
            SetOperand(right.AsSpan(4), second - secondBefore - first);
            if (IsOneByte(right, pair))
            {
                candidates++;
                found = right;
                wrong = pair;
            }

            second -= Operand(pair[4..]) + first;
            first -= Operand(pair) + second;
            behind = (ulong)first << 32 | second;
        }

        if (candidates == 1) found.CopyTo(wrong);
        return candidates;

        static bool IsOneByte(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
        {
            int same = a.CommonPrefixLength(b);
            return same < a.Length && a[(same + 1)..].SequenceEqual(b[(same + 1)..]);
        }
    }

    private long Offset(int frame) => HeaderLength + (long)frame * (FrameHeaderLength + PageSize);

    private ulong Sum(ulong seed, ReadOnlySpan<byte> words)
    {
        (uint first, uint second) = ((uint)(seed >> 32), (uint)seed);
        for (int i = 0; i < words.Length; i += 8)
        {
            first += Operand(words[i..]) + second;
            second += Operand(words[(i + 4)..]) + first;
        }

        return (ulong)first << 32 | second;
    }

    private uint Operand(ReadOnlySpan<byte> word) => _bigEndian
        ? BinaryPrimitives.ReadUInt32BigEndian(word)
        : BinaryPrimitives.ReadUInt32LittleEndian(word);

    private void SetOperand(Span<byte> word, uint value)
    {
        if (_bigEndian) BinaryPrimitives.WriteUInt32BigEndian(word, value);
        else BinaryPrimitives.WriteUInt32LittleEndian(word, value);
    }

    private static ulong Checksum(byte[] bytes, int at) =>
        BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(at));

    private static uint Word(ReadOnlySpan<byte> bytes, int at) =>
        BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]);
}
