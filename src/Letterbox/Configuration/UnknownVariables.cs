// A mistyped variable would be ignored, and messages stored elsewhere than expected: so a LETTERBOX_ variable
// that is not a setting is an error. Exceptions are variables that an orchestrator makes for a service or a
// container of that name (here letterbox and letterbox-web), and those of the tests:
//
//    Kubernetes     LETTERBOX_SERVICE_HOST=10.0.0.7    LETTERBOX_WEB_SERVICE_PORT_HTTP=3000
//    and Docker     LETTERBOX_PORT=tcp://10.0.0.7:3000    LETTERBOX_PORT_3000_TCP_ADDR=10.0.0.7
//    Docker links   LETTERBOX_NAME=/web/letterbox    LETTERBOX_ENV_PATH=/usr/bin
//    tests, benches LETTERBOX_TEST_MONGODB_URI, LETTERBOX_PERF_BUILD

using System.Text.RegularExpressions;

namespace Letterbox.Configuration;

internal static partial class UnknownVariables
{
    private const string Prefix = "LETTERBOX_";

    // The value of X_PORT is a URL there, that of a mistyped setting is a number.
    [GeneratedRegex(
        @"^LETTERBOX_(\w+_)?(SERVICE_HOST=|SERVICE_PORT(_\w+)?=|PORT(_\d+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://"
        + @"|PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)=|NAME=/|ENV_\w+=)"
        + "|^LETTERBOX_(TEST|TORTURE|SIMULATION|FUZZ|BACKLOG|PERF)_",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Foreign();

    /// <exception cref="SettingsException">A variable is not a setting; the nearest one is named.</exception>
    public static void Check(IEnumerable<KeyValuePair<string, string>> environment)
    {
        string[] known = [.. Setting.All.Select(static setting => setting.Variable)];
        foreach ((string name, string value) in environment)
        {
            if (!name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase)) continue;
            if (name == Setting.Supervised || known.Contains(name) || Foreign().IsMatch($"{name}={value}"))
                continue;
            // Without the prefix, which all of them have.
            string? nearest = Similar.To(
                name[Prefix.Length..], known.Select(static variable => variable[Prefix.Length..]));
            throw new SettingsException(
                $"{name} is not a setting; "
                + (nearest is null ? "letterbox --help lists them" : $"did you mean {Prefix}{nearest}?"));
        }
    }
}
