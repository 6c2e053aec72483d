// The real executable, killed with -9 again and again while messages come in by every door.
//
//    1. Clients post numbered messages over HTTP, TCP and UDP; now and then one hangs up half-way.
//    2. A tormentor, by a seed: kills web, store or supervisor, freezes web or store; kills MongoDB, alone or
//       at one moment with the store, after some of its answers were lost; fills the disk, moves a file of
//       the journal away and back. Most blows fall when messages flow again, some at once, into the middle of
//       a restart.
//    3. The clients finish: the last message of each is thanked for too, so nobody waits for ever.
//    4. Journal and MongoDB are read: thanked for means there, once, as it was sent.
//
// A few kills belong to every run of the tests; bench/torture.sh asks for more.

using System.Globalization;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Torture;

public sealed class TortureTests
{
    /// <summary>How many kills, when not the usual few.</summary>
    public const string KillsVariable = "LETTERBOX_TORTURE_KILLS";

    /// <summary>The seed, when not a new one.</summary>
    public const string SeedVariable = "LETTERBOX_TORTURE_SEED";

    private const int UsualKills = 10;
    private const int HttpClients = 12;

    private static readonly string[] s_blows =
        ["web", "store", "supervisor", "frozen", "hung", "database", "full", "hidden"];

    private readonly Ledger _ledger = new();
    private readonly Dictionary<string, int> _blows =
        s_blows.ToDictionary(static blow => blow, static _ => 0);

    private int Kills => _blows["web"] + _blows["store"] + _blows["supervisor"];

    [Fact]
    public async Task Every_message_that_was_thanked_for_is_there_once_whoever_is_killed()
    {
        int kills = Number(KillsVariable) ?? UsualKills;
        int seed = Number(SeedVariable) ?? Random.Shared.Next();
        await using Victim victim = await Victim.StartAsync();
        await UnderPostsAsync(victim, seed, () => TormentAsync(victim, new Random(seed), kills));

        // What was purged for the lack of room is in MongoDB alone.
        IReadOnlyList<(string Id, string Text)> inMongo = victim.InMongo();
        Verdict journal = _ledger.Audit(JournalRows.Ids(victim.Data).Zip(JournalRows.Texts(victim.Data))
            .UnionBy(inMongo, static row => row.Item1));
        Verdict mongo = _ledger.Audit(inMongo);
        string said = Say(seed, journal, mongo);
        Console.Error.WriteLine(said);
        Assert.True(journal == Verdict.Kept && mongo == Verdict.Kept, said);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Store_and_database_killed_at_one_moment_lose_nothing(int members)
    {
        await using Victim victim = await Victim.StartAsync(members);
        var random = new Random();
        await UnderPostsAsync(victim, random.Next(), async () =>
        {
            while (_blows["store"] < UsualKills / 2)
            {
                await FlowAsync(random.Next(1, 40));
                TimeSpan moment = TimeSpan.FromMilliseconds(random.Next(20, 300));
                if (await victim.KillMongoAsync(moment, "store")) _blows["store"]++;
            }
        });
        Assert.Equal(Verdict.Kept, _ledger.AuditJournal(victim.Data));
        Assert.Equal(Verdict.Kept, _ledger.Audit(victim.InMongo()));
    }

    [Fact]
    public async Task A_stop_in_the_middle_of_posting_loses_nothing()
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        Address http = letterbox.Http;
        using var stop = new CancellationTokenSource();
        // They never finish: nobody starts this letterbox again.
        for (int mood = 0; mood < HttpClients; mood++)
            _ = new PostingClient(() => http, _ledger, mood).PostAsync(stop.Token);
        await FlowAsync(200);
        letterbox.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
        Assert.Equal(Verdict.Kept, _ledger.AuditJournal(letterbox.Data));
    }

    // Clients post while the victim suffers; at the end each has been thanked for its last message.
    private async Task UnderPostsAsync(Victim victim, int seed, Func<Task> suffer)
    {
        using var stop = new CancellationTokenSource();
        Task[] clients =
        [
            .. Enumerable.Range(seed, HttpClients).Select(
                mood => new PostingClient(() => victim.Http, _ledger, mood).PostAsync(stop.Token)),
            new PostingClient(() => victim.Socket, _ledger, seed - 1).SendLinesAsync(stop.Token),
            new PostingClient(() => victim.Socket, _ledger, seed - 2).SendDatagramsAsync(stop.Token),
        ];
        await suffer();
        await stop.CancelAsync();
        await Task.WhenAll(clients);
        await victim.StopAsync();
    }

    private async Task TormentAsync(Victim victim, Random random, int kills)
    {
        while (Kills < kills)
        {
            if (random.Next(4) > 0) await FlowAsync(random.Next(1, 40));
            string role = random.Next(2) == 0 ? "web" : "store";
            TimeSpan moment = TimeSpan.FromMilliseconds(random.Next(20, 300));
            switch (random.Next(22))
            {
                case < 11:
                    if (victim.Kill(role)) _blows[role]++;
                    else await Task.Delay(moment);
                    break;
                case < 15:
                    await victim.KillSupervisorAsync();
                    _blows["supervisor"]++;
                    break;
                case < 17:
                    await victim.FreezeAsync(role, moment);
                    _blows["frozen"]++;
                    break;
                case < 18 when Kills > UsualKills:
                    // Longer than the web process waits: those who are on their way hear 503.
                    await victim.FreezeAsync("store", TimeSpan.FromSeconds(11));
                    _blows["hung"]++;
                    break;
                case < 19 when await victim.FillDiskAsync(4 * moment, random.Next(2) == 0 ? "store" : null):
                    _blows["full"]++;
                    break;
                case < 20:
                    // The store is up: one that starts without its files is another story.
                    await FlowAsync(random.Next(1, 40));
                    if (await victim.HideFileAsync(random, 4 * moment)) _blows["hidden"]++;
                    break;
                default:
                    bool both = await victim.KillMongoAsync(moment, random.Next(2) == 0 ? "store" : null);
                    _blows["database"]++;
                    if (both) _blows["store"]++;
                    break;
            }
        }
    }

    private Task FlowAsync(int messages)
    {
        int enough = _ledger.Thanked + messages;
        return Eventually.IsAsync(() => _ledger.Thanked >= enough);
    }

    private string Say(int seed, Verdict journal, Verdict mongo) =>
        $"torture: {_ledger.Thanked} messages thanked for, {Kills} kills (web {_blows["web"]}, "
        + $"store {_blows["store"]}, supervisor {_blows["supervisor"]}), {_blows["frozen"]} times frozen, "
        + $"{_blows["hung"]} times hung for 11 s, MongoDB killed {_blows["database"]} times, "
        + $"disk full {_blows["full"]} times, journal moved away {_blows["hidden"]} times: "
        + $"journal lost {journal.Lost}, doubled {journal.Doubled}, altered {journal.Altered}; "
        + $"MongoDB lost {mongo.Lost}, doubled {mongo.Doubled}, altered {mongo.Altered} (seed {seed})";

    private static int? Number(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture)
            : null;
}
