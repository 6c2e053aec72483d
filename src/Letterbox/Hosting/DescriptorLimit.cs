// How many files and sockets this process may have open, and how many connections fit. Without a reserve,
// connections would leave no descriptor for a page, a log or the journal's next file.

using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;

namespace Letterbox.Hosting;

internal static partial class DescriptorLimit
{
    // Twice the reserve of a listener, and as much again for the runtime, the journal and the databases.
    private const int KeptFree = 256;

    private static readonly int s_resource = OperatingSystem.IsLinux() ? 7 : 8; // RLIMIT_NOFILE

    // Raises the soft limit to the hard limit, and returns it.
    private static long Raise()
    {
        if (OperatingSystem.IsWindows() || GetLimit(s_resource, out Limit limit) != 0) return int.MaxValue;
        // macOS reports unlimited but does not grant more than OPEN_MAX.
        ulong most = OperatingSystem.IsMacOS() ? Math.Min(limit.Hard, 10_240) : limit.Hard;
        if (limit.Soft < most)
        {
            var raised = new Limit { Soft = most, Hard = limit.Hard };
            if (SetLimit(s_resource, in raised) == 0) limit = raised;
        }

        return (long)Math.Min(limit.Soft, int.MaxValue);
    }

    // With fewer it would start, and fail at one thing or another.
    public static bool IsEnough => Raise() >= KeptFree;

    public static string Text =>
        $"no more than {Raise()} files and sockets may be open (ulimit -Hn, LimitNOFILE)";

    // How many connections fit; logged if fewer than wanted.
    public static int Connections(int wanted, ILogger log)
    {
        int connections = Connections(wanted, Raise());
        if (connections < wanted)
        {
            log.LogWarning(
                "at most {Connections} connections instead of {Wanted}: {Limit}", connections, wanted, Text);
        }

        return connections;
    }

    // Loads what needs descriptors when it is first used. Later there may be none, and the failure would stay
    // until the restart: no random numbers, or times in UTC.
    public static void LoadEarly()
    {
        RandomNumberGenerator.Fill(stackalloc byte[1]);
        TimeZoneInfo.Local.GetUtcOffset(DateTime.UnixEpoch);
    }

    internal static int Connections(int wanted, long descriptors) =>
        (int)Math.Min(wanted, Math.Max(descriptors / 4, descriptors - KeptFree));

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, out Limit limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimit(int resource, in Limit limit);

    private struct Limit
    {
        public ulong Soft;
        public ulong Hard;
    }
}
