// The exit statuses; README.md lists them.

namespace Letterbox.Hosting;

internal static class ExitStatus
{
    // Done, or stopped on request.
    public const int Ok = 0;

    // Standard error has the reason.
    public const int Failed = 1;

    // The command line or a setting is invalid; standard error names it.
    public const int Usage = 2;
}
