// The diagnostic pipes and socket that the runtime makes in the temporary folder, and that a killed process
// leaves there. The native program has none.

using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Letterbox.Hosting;

internal static class RuntimeDiagnostics
{
    // For dotnet-trace, dotnet-gcdump and debuggers: with this variable set to 1 the files stay.
    private const string Variable = "DOTNET_EnableDiagnostics";

    // Without their files they are off. Before the program starts only an environment variable can say so.
    public static void SwitchOff()
    {
        bool wanted = Environment.GetEnvironmentVariable(Variable) == "1" || Debugger.IsAttached;
        if (wanted || !RuntimeFeature.IsDynamicCodeSupported || OperatingSystem.IsWindows()) return;
        try
        {
            foreach (string name in (string[])["clr-debug-pipe", "dotnet-diagnostic"])
            {
                string pattern = $"{name}-{Environment.ProcessId}-*";
                foreach (string file in Directory.EnumerateFiles(Path.GetTempPath(), pattern))
                    File.Delete(file);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // They stay: nothing depends on it.
        }
    }
}
