// The exit statuses of the process.

namespace Letterbox.Hosting;

/// <summary>Exit statuses; documented in the README.</summary>
public static class ExitStatus
{
    /// <summary>Done, or stopped in good order.</summary>
    public const int Ok = 0;

    /// <summary>It failed; standard error has the reason.</summary>
    public const int Failed = 1;

    /// <summary>The command line or a setting is wrong; standard error names it.</summary>
    public const int Usage = 2;
}
