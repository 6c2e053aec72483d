// Runs loops and other work that is not awaited. An unhandled exception would otherwise stay unseen in the
// task, and the work would stop silently: messages stored but not answered, connections not accepted. So it
// ends the process with its trace; the supervisor restarts it, and a crash loses nothing. For threads and
// timers the runtime does the same.

namespace Letterbox.Hosting;

internal static class Background
{
    // An exception of the work ends the process.
    public static Task Run(string name, Func<Task> work) => Run(name, work, Environment.FailFast);

    // For tests, which observe how it ends.
    internal static async Task Run(string name, Func<Task> work, Action<string, Exception> end)
    {
        try
        {
            await work();
        }
        catch (Exception e)
        {
            end($"{name}: failed unexpectedly", e);
        }
    }
}
