// The journal's write-ahead log, read before SQLite opens it. SQLite ends at the first frame whose checksum
// is wrong, as at the torn end of a crash, and then starts the log over: what is intact behind a damaged
// frame would be gone. All numbers are big-endian (https://sqlite.org/fileformat2.html, section 4).
//
//    0    magic 0x377F0682, or ..83: checksums of big-endian words · version · page size · checkpoint
//   16    salt 1, salt 2: new each time the log starts over · checksum of the 24 bytes before
//   32    frame:  page number · pages of the database after this commit, or 0: no commit · both salts ·
//                 checksum · the page
//
// A checksum goes on from the one before, over the first 8 bytes of a frame and its page. So a frame behind a
// damaged one can be verified still, from the checksum that the damaged one carries. And as each of its steps
// can be undone, one wrong byte can be found: it is where the sum from the front and the sum from the end
// meet. Frames of an earlier start of the log, behind its end, have other salts.

using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Letterbox.Store.Journal;

/// <summary>A frame. Intact: verified by its checksum. Written: that, or but for one byte.</summary>
internal readonly record struct WalFrame(uint Page, uint PagesAfter, bool Intact, bool Written);

/// <summary>What is in a log.</summary>
internal sealed class WalFile
{
    private const int HeaderLength = 32;
    private const int FrameHeaderLength = 24;
    private const byte InteriorOfTable = 5;
    private const uint LockBytesAt = 0x40000000;
    private const uint LittleEndianMagic = 0x377F0682, BigEndianMagic = 0x377F0683;

    private readonly List<WalFrame> _frames = [];
    private readonly List<(long At, byte[] Bytes)> _corrections = [];
    private readonly bool _bigEndian;
    private readonly bool _headerSound;

    private WalFile(SafeFileHandle log, int pageSize)
    {
        byte[] header = new byte[HeaderLength];
        RandomAccess.Read(log, header, 0);
        // A header that is damaged is taken for one that this machine wrote.
        _bigEndian = Word(header, 0) == BigEndianMagic;
        _bigEndian &= Sum(0, header.AsSpan(0, 24)) == Checksum(header, 24);
        bool intact = _bigEndian || Word(header, 0) == LittleEndianMagic;
        intact &= Sum(0, header.AsSpan(0, 24)) == Checksum(header, 24);
        _headerSound = intact || Correct(header.AsSpan(0, 24), header.AsSpan(24), 0) == 1;
        if (!intact && _headerSound) _corrections.Add((0, [.. header]));
        PageSize = _headerSound ? (int)Word(header, 8) : pageSize;
        ReadFrames(log, header, intact, _headerSound);
    }

    public int PageSize { get; }

    /// <summary>The frames, up to and with the last one that belongs to this start of the log.</summary>
    public IReadOnlyList<WalFrame> Frames => _frames;

    /// <summary>How many frames SQLite would take: all, or those before the first damaged one.</summary>
    public int Readable { get; private set; }

    /// <summary>How many frames there are with the last commit that was written; none: 0.</summary>
    public int Committed =>
        _frames.FindLastIndex(static frame => frame is { Written: true, PagesAfter: > 0 }) + 1;

    /// <summary>
    /// Whether a commit was written that SQLite would leave out. A torn end alone is no damage.
    /// </summary>
    public bool IsDamaged => Committed > Readable;

    /// <summary>Whether <see cref="CorrectIn"/> makes SQLite take all of it.</summary>
    public bool IsCorrectable => _headerSound && _frames.Take(Committed).All(static frame => frame.Intact);

    /// <summary>Commits that SQLite would leave out.</summary>
    public int CommitsLeftOut => _frames.Skip(Readable).Count(static frame => frame.PagesAfter > 0);

    /// <summary>Reads a log; null: there is none, or nothing in it.</summary>
    /// <param name="log">The file.</param>
    /// <param name="pageSize">The database's, should the log's header be damaged.</param>
    public static WalFile? Read(string log, int pageSize)
    {
        if (!File.Exists(log)) return null;
        using SafeFileHandle handle = Open(log);
        return RandomAccess.GetLength(handle) < HeaderLength ? null : new WalFile(handle, pageSize);
    }

    /// <summary>Puts the single bytes right that were found to be wrong.</summary>
    public void CorrectIn(SafeFileHandle log)
    {
        foreach ((long at, byte[] bytes) in _corrections) RandomAccess.Write(log, bytes, at);
    }

    /// <summary>
    /// Gives a copy of the database the intact frames, up to the last commit. A page that is neither in the
    /// copy nor in an intact frame is filled with 0xFF, which is no page of a table, no reference to a page
    /// and no text: what is read through it is seen to be damaged, and not taken for a message. False: there
    /// is such a page.
    /// </summary>
    public bool ApplyTo(SafeFileHandle database, string log)
    {
        using SafeFileHandle handle = Open(log);
        byte[] page = new byte[PageSize];
        uint pages = _frames[Committed - 1].PagesAfter;
        HashSet<uint> missing = [], unknown = [];
        uint there = (uint)(RandomAccess.GetLength(database) / PageSize);
        for (uint n = there + 1; n <= pages; n++) missing.Add(n);
        for (int i = 0; i < Committed; i++)
        {
            WalFrame frame = _frames[i];
            if (frame.Page == 0 || frame.Page > pages) continue;
            RandomAccess.Read(handle, page, Offset(i) + FrameHeaderLength);
            // A page that only leads to others alters no message, however wrong it is.
            if (!frame.Intact && page[0] != InteriorOfTable)
            {
                missing.Add(frame.Page);
                continue;
            }

            missing.Remove(frame.Page);
            unknown.Remove(frame.Page);
            if (!frame.Intact) unknown.Add(frame.Page);
            RandomAccess.Write(database, page, (frame.Page - 1L) * PageSize);
        }

        // Of page 1 any version will do: it holds the schema. But the size must be right, and that no log is
        // beside it (https://sqlite.org/fileformat2.html, section 1.3).
        if (missing.Remove(1)) unknown.Add(1);
        page.AsSpan().Fill(0xFF);
        foreach (uint n in missing) RandomAccess.Write(database, page, (n - 1L) * PageSize);
        RandomAccess.SetLength(database, (long)pages * PageSize);
        BinaryPrimitives.WriteUInt32BigEndian(page, pages);
        RandomAccess.Write(database, page.AsSpan(0, 4), 28);
        RandomAccess.Write(database, [1, 1], 18);
        return missing.Count == 0 && unknown.Count == 0
            && _frames.Take(Committed).All(static frame => frame.Written);
    }

    /// <summary>
    /// Why this cannot be the log of a database of that size, which SQLite would damage with it; null: it may
    /// be. A page is in the database, or it is in the log.
    /// </summary>
    public string? Mismatch(long databaseLength)
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

        // Only VACUUM makes a database smaller, and it writes all pages.
        bool shrunk = there > pages && logged.Count(page => page <= pages) < pages;
        return shrunk ? $"it has {there} pages, and {pages} by its log" : null;
    }

    private static SafeFileHandle Open(string log) => File.OpenHandle(
        log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    private void ReadFrames(SafeFileHandle log, byte[] header, bool readable, bool before)
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
            bool corrected = sum ? !salted : candidates == 1;
            if (corrected)
            {
                salts.CopyTo(frame.AsSpan(8));
                _corrections.Add((Offset(i), [.. frame]));
            }

            before = sum || corrected;
            if (before || salted) ours = i + 1;
            (uint page, uint pages) = (Word(frame, 0), Word(frame, 4));
            if (before) most = Math.Max(most, Math.Max(page, pages));
            // A damaged number of pages is not to be believed.
            bool written = before || (candidates > 0 && pages <= most + 1_000);
            _frames.Add(new WalFrame(page, pages, before, written));
            seed = Checksum(frame, 16);
        }

        _frames.RemoveRange(ours, _frames.Count - ours);
    }

    private bool IsSum(byte[] frame, ulong seed) =>
        Sum(Sum(seed, frame.AsSpan(0, 8)), frame.AsSpan(FrameHeaderLength)) == Checksum(frame, 16);

    // What the checksum covers is not in one piece.
    private int CorrectFrame(byte[] frame, ulong seed)
    {
        byte[] covered = [.. frame.AsSpan(0, 8), .. frame.AsSpan(FrameHeaderLength)];
        int candidates = Correct(covered, frame.AsSpan(16, 8), seed);
        covered.AsSpan(0, 8).CopyTo(frame);
        covered.AsSpan(8).CopyTo(frame.AsSpan(FrameHeaderLength));
        return candidates;
    }

    /// <summary>
    /// Looks for one wrong byte, in what the checksum covers or in the checksum itself: counts the places
    /// where one could be, and puts it right when there is one place alone. The highest byte of a word
    /// changes but the two highest bytes of the checksum, so there it often remains unknown. Where more is
    /// wrong, one byte that would explain it is found by chance in one of 2^40 cases.
    /// </summary>
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
