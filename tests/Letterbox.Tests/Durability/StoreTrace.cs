// What a store process asked the kernel for, as strace saw it: writes to its files, syncs, and what it sent.
//
//    24083 pwrite64(75<\x2f\x74...>, "\x00\x00...", 24, 32) = 24        one line, or, when threads overlap:
//    24086 fsync(75<\x2f\x74...> <unfinished ...>
//    24083 sendto(92<...>, "\x4f\x4b\x20...", 28, 0, NULL, 0) = 28
//    24086 <... fsync resumed>) = 0
//
// Lines are in the order in which strace stopped the threads: a call has begun where its first line is, and
// has returned where its last one is. All strings are hexadecimal (-xx), descriptors carry their path (-y).

using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Letterbox.Tests.Durability;

/// <summary>One system call that succeeded.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Path">The file or folder it is about; for a socket, as strace writes it.</param>
/// <param name="Arguments">The remaining arguments, as strace wrote them.</param>
/// <param name="Data">Bytes written or sent.</param>
/// <param name="Began">Place in the trace.</param>
/// <param name="Returned">Place in the trace.</param>
internal sealed record SystemCall(
    string Name, string Path, string Arguments, byte[] Data, int Began, int Returned)
{
    /// <summary>fsync or fdatasync.</summary>
    public bool IsSync => Name is "fsync" or "fdatasync";

    /// <summary>It opens a file, and creates it if there is none.</summary>
    public bool Makes => Name == "openat" && Arguments.Contains("O_CREAT", StringComparison.Ordinal);

    /// <summary>The keys that this call acknowledges.</summary>
    public IEnumerable<string> Acknowledged => Name is not ("sendto" or "sendmsg") ? [] :
        from line in Encoding.Latin1.GetString(Data).Split('\n')
        where line.StartsWith("OK ", StringComparison.Ordinal)
        select line[3..];

    /// <summary>The offset of a pwrite64, the length of an ftruncate.</summary>
    public long LastNumber =>
        long.Parse(Arguments[(Arguments.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture);
}

/// <summary>Reads a trace.</summary>
internal static partial class StoreTrace
{
    /// <summary>
    /// The command that runs another one and writes the trace to <paramref name="file"/>, behind what is
    /// there.
    /// </summary>
    public static string[] Command(string file) =>
    [
        "strace", "-f", "-A", "-qq", "-y", "-xx", "-s", "1000000", "--seccomp-bpf", "-o", file,
        "-e", "signal=none", "-e", "trace=openat,unlink,rename,fsync,fdatasync,ftruncate,fallocate,"
            + "write,writev,pwrite64,pwritev,sendto,sendmsg",
    ];

    /// <summary>The calls that succeeded, in the order in which they returned.</summary>
    public static IReadOnlyList<SystemCall> Read(IEnumerable<string> lines)
    {
        var calls = new List<SystemCall>();
        var unfinished = new Dictionary<string, (int Began, string Text)>(StringComparer.Ordinal);
        int number = 0;
        foreach (string line in lines)
        {
            number++;
            int blank = line.IndexOf(' ', StringComparison.Ordinal);
            (string thread, string text) = (line[..blank], line[blank..].TrimStart());
            int began = number;
            if (text.EndsWith(Unfinished, StringComparison.Ordinal))
            {
                unfinished[thread] = (number, text[..^Unfinished.Length]);
                continue;
            }

            if (text.StartsWith("<... ", StringComparison.Ordinal))
            {
                (began, string first) = unfinished[thread];
                text = first + text[(text.IndexOf('>', StringComparison.Ordinal) + 1)..];
            }

            if (Call.Match(text) is { Success: true } call) calls.Add(Make(call, began, number));
        }

        return calls;
    }

    private const string Unfinished = " <unfinished ...>";

    [GeneratedRegex("""^(?<name>\w+)\((?:AT_FDCWD<[^>]*>, )?(?<args>.*)\) += [0-9]+(?:<[^>]*>)?$""")]
    private static partial Regex Call { get; }

    [GeneratedRegex("""^(?:[0-9]+<(?<path>[^>]*)>|"(?<path>(?:\\x..)*)")(?:, )?""")]
    private static partial Regex First { get; }

    [GeneratedRegex("(?:iov_base=|^)\"(?<data>(?:\\\\x..)*)\"")]
    private static partial Regex Bytes { get; }

    private static SystemCall Make(Match call, int began, int returned)
    {
        string name = call.Groups["name"].Value, all = call.Groups["args"].Value;
        Match first = First.Match(all);
        string rest = all[first.Length..];
        byte[] data = [.. Bytes.Matches(rest).SelectMany(static match => Unhex(match.Groups["data"].Value))];
        string arguments = data.Length == 0 ? rest : rest[(rest.LastIndexOf('"') + 1)..];
        string path = Encoding.UTF8.GetString(Unhex(first.Groups["path"].Value));
        return new SystemCall(name, path, arguments, data, began, returned);
    }

    private static byte[] Unhex(string hex) =>
        Convert.FromHexString(hex.Replace("\\x", "", StringComparison.Ordinal));
}
