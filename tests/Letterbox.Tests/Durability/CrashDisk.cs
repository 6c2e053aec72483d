// A disk that loses power: what a trace of a store process wrote, and what of it is certain to be there.
//
//    a write, a change of length    certain when a sync of that file, begun after it returned, has returned
//    a file made or deleted         certain when a sync of its folder, begun after it returned, has returned
//
// That is POSIX at its most literal; real file systems forget less. What is not certain may be there or not,
// in any part: the disk writes sectors, in an order of its own.

namespace Letterbox.Tests.Durability;

/// <summary>What becomes of what is not certain.</summary>
internal enum Uncertain
{
    /// <summary>It is not there.</summary>
    Lost,

    /// <summary>Some sectors of it are there, of some writes.</summary>
    InParts,

    /// <summary>It is all there, but for the end of the last write.</summary>
    TornAtTheEnd,

    /// <summary>It is all there, and one byte of the log is another one.</summary>
    FlippedByte,
}

/// <summary>The files of one folder.</summary>
internal sealed class CrashDisk(string folder)
{
    private const int Sector = 512;

    private readonly List<(string Path, CrashFile? File)> _renamed = [];
    private Dictionary<string, CrashFile> _certain = new(StringComparer.Ordinal);
    private Dictionary<string, CrashFile> _now = new(StringComparer.Ordinal);

    /// <summary>Carries out what a system call did.</summary>
    public void Apply(SystemCall call)
    {
        if (call.Path == folder && call.IsSync) SyncFolder();
        // The index of the log is memory that processes share, no storage: SQLite makes it anew.
        bool index = call.Path.EndsWith("-shm", StringComparison.Ordinal);
        if (index || Path.GetDirectoryName(call.Path) != folder) return;
        switch (call.Name)
        {
            case "openat" when !_now.ContainsKey(call.Path):
                if (call.Makes) Name(call.Path, new CrashFile());
                break;
            case "unlink":
                Name(call.Path, null);
                break;
            case "pwrite64":
                _now[call.Path].Change((int)call.LastNumber, call.Data);
                break;
            case "ftruncate":
                _now[call.Path].Change((int)call.LastNumber, null);
                break;
            case "fsync" or "fdatasync":
                _now[call.Path].Sync();
                break;
            case "openat":
                break;
            default:
                Assert.Fail($"{call.Name} of {call.Path} is not understood");
                break;
        }
    }

    /// <summary>Writes what is left after the power went into a folder.</summary>
    public void Leave(string target, Uncertain uncertain, Random random)
    {
        var left = new Dictionary<string, CrashFile>(_certain, StringComparer.Ordinal);
        int names = uncertain switch
        {
            Uncertain.Lost => 0,
            Uncertain.InParts => random.Next(_renamed.Count + 1),
            _ => _renamed.Count,
        };
        foreach ((string path, CrashFile? file) in _renamed[..names]) Set(left, path, file);
        foreach ((string path, CrashFile file) in left)
        {
            byte[] content = file.Left(uncertain, random);
            bool flip = uncertain == Uncertain.FlippedByte && path.EndsWith("-wal", StringComparison.Ordinal);
            if (flip && content.Length > 0)
                content[random.Next(content.Length)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(Path.Combine(target, Path.GetFileName(path)), content);
        }
    }

    private void Name(string path, CrashFile? file)
    {
        Set(_now, path, file);
        _renamed.Add((path, file));
    }

    private void SyncFolder()
    {
        _certain = new(_now, StringComparer.Ordinal);
        _renamed.Clear();
    }

    private static void Set(Dictionary<string, CrashFile> names, string path, CrashFile? file)
    {
        if (file is null) names.Remove(path);
        else names[path] = file;
    }

    /// <summary>One file, whatever its name is by now.</summary>
    private sealed class CrashFile
    {
        // At an offset bytes were written; without bytes: the file was given that length.
        private readonly List<(int At, byte[]? Bytes)> _changes = [];
        private byte[] _certain = [];

        public void Change(int at, byte[]? bytes) => _changes.Add((at, bytes));

        public void Sync()
        {
            foreach ((int at, byte[]? bytes) in _changes) _certain = Changed(_certain, at, bytes);
            _changes.Clear();
        }

        public byte[] Left(Uncertain uncertain, Random random)
        {
            byte[] content = [.. _certain];
            if (uncertain == Uncertain.Lost) return content;
            for (int i = 0; i < _changes.Count; i++)
            {
                (int at, byte[]? bytes) = _changes[i];
                bool last = i == _changes.Count - 1 && uncertain == Uncertain.TornAtTheEnd;
                if (bytes is null) content = Changed(content, at, null);
                else if (uncertain == Uncertain.InParts) content = WithSectors(content, at, bytes, random);
                else content = Changed(content, at, last ? bytes[..random.Next(bytes.Length)] : bytes);
            }

            return content;
        }

        private static byte[] WithSectors(byte[] content, int at, byte[] bytes, Random random)
        {
            for (int from = 0; from < bytes.Length;)
            {
                int to = Math.Min(bytes.Length, from + Sector - ((at + from) % Sector));
                if (random.Next(2) == 0) content = Changed(content, at + from, bytes[from..to]);
                from = to;
            }

            return content;
        }

        private static byte[] Changed(byte[] content, int at, byte[]? bytes)
        {
            int length = bytes is null ? at : Math.Max(content.Length, at + bytes.Length);
            if (length != content.Length) Array.Resize(ref content, length);
            bytes?.CopyTo(content, at);
            return content;
        }
    }
}
