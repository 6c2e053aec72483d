// The line by which a role says that it serves, on standard output: `web ready on 127.0.0.1:3000`. The
// supervisor waits for it, and whoever asked for a free port reads there which one it is.

using Letterbox.Configuration;

namespace Letterbox.Hosting;

/// <summary>Says it.</summary>
internal static class ReadyLine
{
    /// <summary>What stands between the role and its address.</summary>
    public const string Middle = " ready on ";

    /// <summary>Writes the line of <paramref name="role"/>, which listens at <paramref name="at"/>.</summary>
    public static void Write(string role, Address at) => Console.WriteLine($"{role}{Middle}{at}");
}
