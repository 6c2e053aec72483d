// The line by which a process reports on standard output that it serves: `web ready on 127.0.0.1:3000`. The
// supervisor waits for it, and it shows which port was picked for port 0.

using Letterbox.Configuration;

namespace Letterbox.Hosting;

internal static class ReadyLine
{
    // Between the role and its address.
    public const string Middle = " ready on ";

    public static void Write(string role, Address at) => Console.WriteLine($"{role}{Middle}{at}");
}
