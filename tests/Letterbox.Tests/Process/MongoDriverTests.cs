// MongoDB's driver is there only for those who use MongoDB.

using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class MongoDriverTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task It_is_loaded_only_when_mongodb_is_configured(bool configured)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "what a process has loaded is read as Linux shows it");
        Dictionary<string, string> variables = configured
            ? new() { ["LETTERBOX_MONGODB_URI"] = "mongodb://127.0.0.1:1/" }
            : [];
        // The native program has everything in one file; of this one each library is mapped.
        await using LetterboxProcess store =
            await LetterboxProcess.StartAsync(["store"], variables, program: LetterboxProcess.Built);
        bool loaded = File.ReadLines($"/proc/{store.Id}/maps").Any(
            static line => line.EndsWith("/MongoDB.Driver.dll", StringComparison.Ordinal));
        Assert.Equal(configured, loaded);
    }
}
