// More messages than the disk holds, as fast as they can be sent, to the real executable: it makes them wait
// before the room is gone that a purge needs, and takes messages again when MongoDB has what it had.

using System.Globalization;
using System.Net;
using Letterbox.Configuration;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class FloodTests
{
    private const int Clients = 8;

    [Theory]
    [InlineData(16, 100)]
    [InlineData(16, 4000)]
    [InlineData(40, 100)]
    [InlineData(40, 4000)]
    [InlineData(200, 4000)]
    public async Task A_flood_on_a_small_disk_passes_by_itself(int mebibytes, int characters)
    {
        using var disk = new SmallDisk(mebibytes);
        await using var mongo = new ScriptedMongo();
        mongo.Down();
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(
            ["store"], new() { ["LETTERBOX_MONGODB_URI"] = mongo.ImpatientUri }, disk.Path);
        int before = await FloodAsync(store.Socket, characters);
        long left = new DriveInfo(disk.Path).AvailableFreeSpace;
        Assert.True(left > 0, "the flood took all of the disk");

        // MongoDB is back: what is there is purged, and there is room for as much again, and again.
        for (int round = 0; round < 2; round++)
        {
            mongo.Up();
            await SendAsync(store.Socket, characters);
            mongo.Down();
            int again = await FloodAsync(store.Socket, characters);
            Console.Error.WriteLine(
                $"flood on {mebibytes} MiB: {before} messages, then {again}; {left / 1024} KiB were left");
        }

        mongo.Up();
        await SendAsync(store.Socket, characters);
    }

    // Many lines in flight on each connection, until each has heard WAIT for long enough.
    private static async Task<int> FloodAsync(Address to, int characters)
    {
        int stored = 0;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => Task.Run(async () =>
        {
            using SocketClient client = await SocketClient.ConnectAsync((IPEndPoint)to.ToConnect());
            for (int waited = 0; waited < 5;)
            {
                const int InFlight = 64;
                await client.SendAsync(string.Concat(Enumerable.Repeat(Line(characters), InFlight)));
                int oks = 0;
                for (int n = 0; n < InFlight; n++)
                    if ((await client.ReadLineAsync())!.StartsWith("OK", StringComparison.Ordinal)) oks++;
                Interlocked.Add(ref stored, oks);
                if (oks == 0) waited++;
            }
        })));
        return stored;
    }

    // One message, until it is stored.
    private static async Task SendAsync(Address to, int characters)
    {
        CancellationToken stop = TestContext.Current.CancellationToken;
        using SocketClient client = await SocketClient.ConnectAsync((IPEndPoint)to.ToConnect());
        string answer = "";
        while (!answer.StartsWith("OK", StringComparison.Ordinal))
        {
            await Task.Delay(20, stop);
            await client.SendAsync(Line(characters));
            answer = await client.ReadLineAsync() ?? throw new IOException("the store is gone");
        }
    }

    private static string Line(int characters) => string.Create(
        CultureInfo.InvariantCulture, $"username=flood&message={new string('x', characters)}\n");
}
