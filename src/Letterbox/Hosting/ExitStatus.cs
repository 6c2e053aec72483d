// The exit statuses; README.md lists them.

namespace Letterbox.Hosting;

internal static class ExitStatus
{
    public const int Ok = 0; // done, or stopped on request
    public const int Failed = 1; // standard error has the reason
    public const int Usage = 2; // the command line or a setting is invalid; standard error names it
}
