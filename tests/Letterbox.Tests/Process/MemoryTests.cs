// What clients can make the processes hold, on the real executable. The number stands in docs/OPERATIONS.md.

using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class MemoryTests
{
    private const int MegabytesMax = 256;

    private static readonly string s_quotes = "username=a&message=" + new string('"', 65_000);

    /// <summary>Who is asked, how many times, and what each client sends.</summary>
    public static TheoryData<string, int, string> Floods => new()
    {
        { "web", 1000, Post(s_quotes, s_quotes.Length) }, // 0.4 MB of answer each, which nobody reads
        { "web", 3000, Post(s_quotes, s_quotes.Length + 1) }, // never whole
        { "store", 6000, "{\"username\":\"a\",\"message\":\"" + new string('x', 65_000) }, // never whole
    };

    [Theory]
    [MemberData(nameof(Floods))]
    public async Task A_flood_is_held_within_the_bound(string role, int clients, string bytes)
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        int port = role == "web" ? letterbox.Http.Port : letterbox.Socket.Port;
        byte[] flood = Encoding.Latin1.GetBytes(bytes);
        var sockets = new Socket[clients];
        var many = new ParallelOptions { MaxDegreeOfParallelism = 16 };
        await Parallel.ForAsync(
            0, clients, many, async (i, _) => sockets[i] = await SendAsync(port, flood));
        using HttpPeer honest = await HttpPeer.ConnectAsync(letterbox.Http.Port);
        await honest.SendAsync(Post("username=a&message=b", "username=a&message=b".Length));
        Assert.Equal(303, (await honest.ReadAsync())!.Status);
        int peak = PeakMegabytes(letterbox.Child(role));
        foreach (Socket socket in sockets) socket.Dispose();
        Assert.InRange(peak, 1, MegabytesMax);
    }

    private static string Post(string form, int length) =>
        $"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{form}";

    private static async ValueTask<Socket> SendAsync(int port, byte[] flood)
    {
        const int tcp = 6, segmentMax = 2;
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            // A client from afar: the kernel takes little of an answer, the process holds the rest.
            socket.ReceiveBufferSize = 4096;
            socket.SetRawSocketOption(tcp, segmentMax, BitConverter.GetBytes(536));
            await socket.ConnectAsync(IPAddress.Loopback, port);
            for (int at = 0; at < flood.Length;) at += await socket.SendAsync(flood.AsMemory(at));
        }
        catch (SocketException)
        {
            // Ended to make room.
        }

        return socket;
    }

    private static int PeakMegabytes(int process)
    {
        string peak = File.ReadLines($"/proc/{process}/status").First(line =>
            line.StartsWith("VmHWM", StringComparison.Ordinal));
        return int.Parse(peak[6..^2], CultureInfo.InvariantCulture) / 1024;
    }
}
