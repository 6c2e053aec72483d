// The line on standard output by which a role reports that it is ready: `web ready on 127.0.0.1:3000`. The
// supervisor waits for it, and it contains the port that was chosen where port 0 was asked for.

using Letterbox.Configuration;

namespace Letterbox.Hosting;

/// <summary>Writes it.</summary>
internal static class ReadyLine
{
    /// <summary>The text between the role and its address.</summary>
    public const string Middle = " ready on ";

    /// <summary>Writes the line of <paramref name="role"/>, which listens at <paramref name="at"/>.</summary>
    public static void Write(string role, Address at) => Console.WriteLine($"{role}{Middle}{at}");
}
