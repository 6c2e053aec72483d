// An option with a value, as the commands declare it.

using System.CommandLine;

namespace Letterbox.Commands;

internal static class CommandOption
{
    public static Option<T?> Of<T>(string name, string value, string description) =>
        new(name) { HelpName = value, Description = description };
}
