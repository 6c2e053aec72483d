// Loops and other work that is not awaited. An exception thrown by such a task would stay in it,
// unseen, and what it did would be done no more: messages would be stored and not answered, connections not
// accepted. So it ends the process, loudly; it is started again, and a crash loses nothing. For threads and
// timers the runtime itself does so.

namespace Letterbox.Hosting;

/// <summary>Runs work that is not awaited.</summary>
internal static class Background
{
    /// <summary>Runs <paramref name="work"/>; an exception that it lets go ends the process.</summary>
    public static Task Run(string name, Func<Task> work) => Run(name, work, Environment.FailFast);

    /// <summary>The same; for tests, which see how it ends.</summary>
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
