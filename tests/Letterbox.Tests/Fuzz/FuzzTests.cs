// Whatever a client sends: the engine answers or refuses, never throws, never hangs, never holds more than
// its bound; and what it makes of the bytes does not depend on how they were cut.
//
// LETTERBOX_FUZZ_SECONDS: how long each of the two runs takes (4 by default). LETTERBOX_FUZZ_SEED: where it
// begins (the day by default, so that every day looks somewhere else). A failure prints the seed and the
// bytes.

using System.Diagnostics;
using System.Text;
using Letterbox.Http;
using Letterbox.Tests.Conformance;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Fuzz;

public sealed class FuzzTests
{
    private static readonly byte[][] s_corpus =
        [.. ConformanceCase.All.Values.Select(
            static c => c.Bytes(static name => $"\"{name}\"")).Where(static b => b.Length < 10_000)];

    private static readonly TimeSpan s_span = TimeSpan.FromSeconds(Number("LETTERBOX_FUZZ_SECONDS", 4));

    private static int Seed =>
        Number("LETTERBOX_FUZZ_SEED", (int)(DateTime.UtcNow - DateTime.UnixEpoch).TotalDays * 10_000);

    [Fact]
    public void The_reader_answers_or_refuses_however_the_bytes_are_cut()
    {
        var replay = new HttpReplay(new HttpLimits());
        Hunt(s_span, (bytes, piece) => ReadsTheSame(replay, bytes, piece));
    }

    [Fact]
    public void The_fuzzer_finds_a_fault_that_is_planted()
    {
        // A reader that forgets, now and then, what it knew: the first of two pieces is thrown away before a
        // bare "0;".
        var replay = new HttpReplay(new HttpLimits());
        string? found = Seek(TimeSpan.FromMinutes(1), Seed, (bytes, piece) =>
        {
            int cut = bytes.AsSpan().IndexOf("0;"u8);
            ReadsTheSame(replay, bytes, piece, cut > 0 ? bytes[cut..] : bytes);
        });
        Assert.NotNull(found);
        // What it prints is enough to come back to it.
        int seed = int.Parse(found.Split(' ')[1]);
        Assert.Contains(
            "0;", Encoding.Latin1.GetString(new Mutator(s_corpus, seed).Next()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_server_comes_to_an_end_with_every_input()
    {
        await using var host = new EchoHost();
        var clock = Stopwatch.StartNew();
        for (int seed = Seed; clock.Elapsed < s_span; seed++)
        {
            var mutator = new Mutator(s_corpus, seed);
            byte[] bytes = mutator.Next();
            try
            {
                using HttpPeer peer = await HttpPeer.ConnectAsync(host.Port);
                await peer.SendAsync(bytes, Math.Max(mutator.NextPiece(), bytes.Length / 20));
                peer.HalfCloseIfOpen();
                await peer.DrainAsync();
                using HttpPeer good = await HttpPeer.ConnectAsync(host.Port);
                await good.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                Assert.Equal(200, (await good.ReadAsync())?.Status);
            }
            catch (Exception e)
            {
                Assert.Fail(Describe(seed, bytes, e));
            }
        }
    }

    private static void ReadsTheSame(HttpReplay replay, byte[] bytes, int piece, byte[]? second = null)
    {
        int whole = replay.Play(bytes, bytes.Length, bytes.Length);
        Assert.Equal(whole, replay.Play(second ?? bytes, piece, piece));
        Assert.Equal(whole, replay.Play(second ?? bytes, 1, 1));
    }

    private static void Hunt(TimeSpan span, Action<byte[], int> play)
    {
        if (Seek(span, Seed, play) is { } found) Assert.Fail(found);
    }

    // Plays input after input until one fails; tells of that one, or nothing when the time is over.
    private static string? Seek(TimeSpan span, int seed, Action<byte[], int> play)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < span; seed++)
        {
            var mutator = new Mutator(s_corpus, seed);
            byte[] bytes = mutator.Next();
            try
            {
                play(bytes, mutator.NextPiece());
            }
            catch (Exception e)
            {
                return Describe(seed, bytes, e);
            }
        }

        return null;
    }

    private static string Describe(int seed, byte[] bytes, Exception e) =>
        $"seed {seed} : {e.Message}\n{string.Concat(bytes.Select(Printed))}\n{e}";

    private static string Printed(byte b) => b is >= 32 and < 127 ? $"{(char)b}" : $"\\x{b:X2}";

    private static int Number(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), out int number) ? number : otherwise;
}
