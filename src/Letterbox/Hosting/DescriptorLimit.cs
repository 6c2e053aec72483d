// How many files and sockets this process may have open, and how many connections fit into that. What runs
// out of descriptors is not the one who took them: a page, a log, the journal's next file. So connections
// leave a reserve.

using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace Letterbox.Hosting;

internal static partial class DescriptorLimit
{
    // Twice the reserve of a listener, and as much again for the runtime, the journal and the databases.
    private const int KeptFree = 256;

    private static readonly int s_resource = OperatingSystem.IsLinux() ? 7 : 8; // RLIMIT_NOFILE

    // Takes all that the system allows, and returns how much that is.
    private static long Raise()
    {
        if (OperatingSystem.IsWindows() || GetLimit(s_resource, out Limit limit) != 0) return int.MaxValue;
        if (limit.Soft < limit.Hard)
        {
            // What macOS calls unlimited it does not grant: then the limit stays as it is.
            var raised = new Limit { Soft = limit.Hard, Hard = limit.Hard };
            if (SetLimit(s_resource, in raised) == 0) limit = raised;
        }

        return (long)Math.Min(limit.Soft, int.MaxValue);
    }

    /// <summary>The limit in words.</summary>
    public static string Text =>
        $"no more than {Raise()} files and sockets may be open (ulimit -Hn, LimitNOFILE)";

    /// <summary>How many connections fit, at most <paramref name="wanted"/>; fewer are logged.</summary>
    public static int Connections(int wanted, ILogger log)
    {
        int connections = Connections(wanted, Raise());
        if (connections < wanted)
        {
            log.LogWarning(
                "{Connections} connections at once instead of {Wanted}: {Limit}", connections, wanted, Text);
        }

        return connections;
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
