// After a long outage: how fast a backlog goes to MongoDB, what it costs in memory, and what those notice who
// leave new messages meanwhile. Nothing is asserted of the figures, which are the machine's; that all arrives
// is. A small backlog belongs to every run of the tests; bench/backlog.sh asks for more.

using System.Diagnostics;
using System.Globalization;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Store.Delivery;
using Letterbox.Store.Journal;
using Letterbox.Store.Mongo;
using Letterbox.Tests.Store.Journal;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Torture;

public sealed class BacklogTests
{
    /// <summary>How many messages, when not the usual few.</summary>
    public const string MessagesVariable = "LETTERBOX_BACKLOG_MESSAGES";

    private const int UsualMessages = 3_000;

    // In the second test the relay has to share the machine; here it is about the relay.
    private const int RaceMax = 100_000;

    private static int Messages =>
        Environment.GetEnvironmentVariable(MessagesVariable) is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture)
            : UsualMessages;

    [Fact]
    public async Task The_relay_against_a_bare_loop_of_inserts()
    {
        await using Backlog backlog = await Backlog.FillAsync(Math.Min(Messages, RaceMax));
        JournalEntry[][] pages = Pages(backlog);
        var rates = new List<double>[] { [], [] };
        for (int round = 0; round < 4; round++)
        {
            using (MongoStore bare = backlog.Open($"bare{round}")) rates[0].Add(Insert(bare, pages));
            using (MongoStore mongo = backlog.Open($"relay{round}"))
                rates[1].Add(await RelayAsync(backlog, mongo));
        }

        Console.Error.WriteLine(
            $"backlog: {backlog.Messages:N0} messages to {backlog.Server}, messages a second, 4 rounds: "
            + $"bare inserts {List(rates[0])}; relay {List(rates[1])}; "
            + $"relay at {rates[1].Average() / rates[0].Average():P0} of the bare loop");

        static string List(List<double> rates) => string.Join(", ", rates.Select(static r => $"{r:N0}"));
    }

    [Fact]
    public async Task A_backlog_goes_to_mongodb_while_new_messages_come_in()
    {
        await using Backlog backlog = await Backlog.FillAsync(Messages);
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(
            ["store"],
            new()
            {
                ["LETTERBOX_MONGODB_URI"] = backlog.Uri,
                ["LETTERBOX_MONGODB_DATABASE"] = backlog.Database,
            },
            backlog.Folder);
        var clock = Stopwatch.StartNew();
        var memory = new List<int>();
        List<double> during = await SendAsync(store, memory, () => backlog.Watermark < backlog.Messages);
        double seconds = clock.Elapsed.TotalSeconds;
        int left = during.Count / 20;
        List<double> after = await SendAsync(store, memory: [], () => left-- > 0);
        long all = backlog.Messages + during.Count + after.Count;
        await Eventually.IsAsync(() => backlog.Watermark == all);
        store.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await store.EndedAsync());
        await backlog.AssertDeliveredAsync();
        Console.Error.WriteLine(
            $"backlog: {backlog.Messages:N0} messages to {backlog.Server} in {seconds:F1} s, "
            + $"{backlog.Messages / seconds:N0} a second; the store process held (MB): {Tenths(memory)}; "
            + $"a new message every 5 ms meanwhile was acknowledged in {Percentiles(during)}, "
            + $"afterwards in {Percentiles(after)}");
    }

    private static JournalEntry[][] Pages(Backlog backlog)
    {
        using JournalReader reader = JournalReader.Open(backlog.Journal);
        return
        [
            .. reader.ReadAll().Select(static (message, at) => new JournalEntry(at + 1, message))
                .Chunk(JournalReader.PageMax),
        ];
    }

    private static double Insert(MongoStore mongo, JournalEntry[][] pages)
    {
        var clock = Stopwatch.StartNew();
        foreach (JournalEntry[] page in pages) Assert.True(mongo.Insert(page).Stored);
        return pages.Sum(static page => page.Length) / clock.Elapsed.TotalSeconds;
    }

    private static async Task<double> RelayAsync(Backlog backlog, MongoStore mongo)
    {
        Samples.Query(backlog.Journal, "DELETE FROM deliveries");
        await using var journal = MessageJournal.Open(
            backlog.Folder, TimeProvider.System, new RecordingLog());
        var clock = Stopwatch.StartNew();
        await using var relay = new Relay(
            journal, mongo.InsertAsync, TimeSpan.FromDays(7), TimeProvider.System, new RecordingLog());
        await Eventually.IsAsync(() => relay.Backlog == 0);
        return backlog.Messages / clock.Elapsed.TotalSeconds;
    }

    // A message every 5 ms, as long as that is so, which is looked at before every twentieth. Returns for how
    // long each waited for its OK, in ms.
    private static async Task<List<double>> SendAsync(
        LetterboxProcess store, List<int> memory, Func<bool> going)
    {
        using SocketClient client = await SocketClient.ConnectAsync(
            new(System.Net.IPAddress.Loopback, store.Socket.Port));
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        var waited = new List<double>();
        while (waited.Count % 20 != 0 || waited.Count == 0 || going())
        {
            if (waited.Count % 20 == 0) memory.Add(ResidentMegabytes(store.Id));
            long sent = Stopwatch.GetTimestamp();
            await client.SendAsync("username=ann&message=new\n");
            Assert.StartsWith("OK ", await client.ReadLineAsync());
            waited.Add(Stopwatch.GetElapsedTime(sent).TotalMilliseconds);
            await pace.WaitForNextTickAsync();
        }

        return waited;
    }

    private static int ResidentMegabytes(int process)
    {
        string line = File.ReadLines($"/proc/{process}/status").First(static l => l.Contains("VmRSS"));
        return int.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) / 1024;
    }

    private static string Tenths(List<int> values) =>
        string.Join(' ', Enumerable.Range(0, 11).Select(tenth => values[tenth * (values.Count - 1) / 10]));

    private static string Percentiles(List<double> values)
    {
        double[] sorted = [.. values.Order()];
        return $"{sorted[sorted.Length / 2]:F1} ms (p50), {sorted[sorted.Length * 99 / 100]:F1} ms (p99), "
            + $"{sorted[^1]:F0} ms at most";
    }
}
