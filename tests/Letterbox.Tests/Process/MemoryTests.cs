// What clients can make the processes hold, on the real executable. docs/OPERATIONS.md has the number.

using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class MemoryTests
{
    private const int MegabytesMax = 256;

    // What may be left of a flood, above what the process had before it.
    private const int LeftMegabytesMax = 64;

    private const string Chunked =
        "POST /message HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

    private static readonly string s_quotes = "username=a&message=" + new string('"', 65_000);
    private static readonly string s_long = new('x', 65_000);

    // The process, the number of clients, and what each of them sends.
    public static TheoryData<string, int, string> Floods => new()
    {
        { "web", 1000, Post(s_quotes, s_quotes.Length) }, // 0.4 MB of answer each, which is not read
        { "web", 6000, Post(s_quotes, s_quotes.Length + 1) }, // incomplete
        { "web", 6000, $"{Chunked}fe00\r\n{s_long}" }, // incomplete chunks
        { "web", 6000, $"{Chunked}{Repeat("400\r\n" + new string('x', 0x400) + "\r\n", 60)}" },
        { "web", 9000, "GET / HTTP/1.1\r\nHost: a\r\n" + Repeat($"A: {new string('x', 300)}\r\n", 90) },
        { "web", 6000, Repeat("GET /message HTTP/1.1\r\nHost: a\r\n\r\n", 200) }, // not read
        { "store", 6000, "{\"username\":\"a\",\"message\":\"" + s_long }, // incomplete
        { "store", 9000, "{\"username\":\"a\",\"message\":\"" + new string('x', 3000) }, // incomplete
        { "store", 6000, Repeat("username=\n", 3000) }, // rejected, and the answers are not read
        { "store", 6000, Repeat("?\n", 3000) },
    };

    [Fact]
    public async Task Answers_that_were_read_leave_nothing_behind_on_an_idle_connection()
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        // The answers after the first wait for its commit.
        byte[] lines = Encoding.Latin1.GetBytes("username=a&message=b\n" + Repeat("?\n", 1023));
        var sockets = new Socket[6000];
        var many = new ParallelOptions { MaxDegreeOfParallelism = 16 };
        await Parallel.ForAsync(0, sockets.Length, many, async (i, _) =>
        {
            Socket socket = sockets[i] = await SendAsync(letterbox.Socket.Port, lines);
            byte[] answers = new byte[8192];
            for (int read = 0; read < 1024;)
            {
                int count = await socket.ReceiveAsync(answers);
                Assert.NotEqual(0, count);
                read += answers.AsSpan(0, count).Count((byte)'\n');
            }
        });
        Assert.InRange(Megabytes(letterbox.Child("store"), "VmHWM"), 1, MegabytesMax);
        foreach (Socket socket in sockets) socket.Dispose();
    }

    [Theory]
    [MemberData(nameof(Floods))]
    public async Task A_flood_is_held_within_the_bound_and_given_back(string role, int clients, string bytes)
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        int port = role == "web" ? letterbox.Http.Port : letterbox.Socket.Port;
        int process = letterbox.Child(role), before = Megabytes(process, "VmRSS");
        byte[] flood = Encoding.Latin1.GetBytes(bytes);
        var sockets = new Socket[clients];
        var many = new ParallelOptions { MaxDegreeOfParallelism = 16 };
        await Parallel.ForAsync(
            0, clients, many, async (i, _) => sockets[i] = await SendAsync(port, flood));
        using HttpPeer honest = await HttpPeer.ConnectAsync(letterbox.Http.Port);
        await honest.SendAsync(Post("username=a&message=b", "username=a&message=b".Length));
        Assert.Equal(303, (await honest.ReadAsync())!.Status);
        int peak = Megabytes(process, "VmHWM");
        foreach (Socket socket in sockets) socket.Dispose();
        TestContext.Current.TestOutputHelper?.WriteLine($"{before} MB before, at most {peak} MB");
        Assert.InRange(peak, 1, MegabytesMax);
        await Eventually.IsAsync(() => Megabytes(process, "VmRSS") <= before + LeftMegabytesMax);
    }

    private static string Repeat(string text, int count) => string.Concat(Enumerable.Repeat(text, count));

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

    private static int Megabytes(int process, string name)
    {
        string line = File.ReadLines($"/proc/{process}/status").First(line =>
            line.StartsWith(name, StringComparison.Ordinal));
        return int.Parse(line[6..^2], CultureInfo.InvariantCulture) / 1024;
    }
}
