// Exactly once, with the batch in flight when the failure occurs, on a standalone and on a replica set.
// Elections are in MongoElectionTests.cs.

using Letterbox.Messages;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Store.Mongo;

public sealed class MongoStandaloneFaultTests() : MongoExactlyOnce(MongoTopology.Standalone);

public sealed class MongoReplicaSetFaultTests() : MongoExactlyOnce(MongoTopology.ReplicaSet);

public abstract class MongoExactlyOnce : MongoRelayed
{
    // Where the primary, or the server, is not able to take writes just now.
    private static readonly int[] s_states = [91, 189, 10107, 11600, 11602, 13435, 13436];

    private static readonly Dictionary<string, MongoFault> s_faults = new(
        AnswersGoneWrong().Concat(NotNow()).Concat(NotHere()).Concat(WithoutReason()));

    private protected MongoExactlyOnce(MongoTopology topology) : base(topology)
    {
    }

    /// <summary>Failures that are not caused by a message.</summary>
    public static TheoryData<string> Failures => [.. s_faults.Keys];

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task A_fault_costs_another_try_and_nothing_else(string failure)
    {
        Message[] messages = await FillAsync();
        Server.Next("insert", s_faults[failure]);
        Start();
        await DeliveredAsync();
        Assert.True(Server.Seen("insert").Count >= 2, "the failure did not occur");
        AssertKept(messages);
    }

    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    [InlineData(14031)]
    public async Task A_place_that_is_at_fault_for_long_is_waited_for(int code)
    {
        Message[] messages = await FillAsync();
        Server.Next("insert", [.. Enumerable.Repeat(MongoFault.CommandError(code), 5)]);
        Start();
        await DeliveredAsync();
        Assert.Equal(6, Server.Seen("insert").Count);
        AssertKept(messages);
        Assert.Contains(Log, line => line.Contains($"{code}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task After_a_rejected_login_the_relay_retries_until_it_is_fixed()
    {
        Message[] messages = await FillAsync();
        var right = new MongoUser("letterbox", "hunter2secret");
        string uri = Server.ImpatientUri.Replace(
            "mongodb://", "mongodb://letterbox:hunter2secret@", StringComparison.Ordinal);
        Server.User = right with { Password = "another" };
        Start(uri);
        // Known at the first attempt: this failure is not transient.
        TimeSpan pause = await Time.NextTimerAsync();
        Assert.InRange(pause, TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(30));
        Time.Advance(pause);
        await WaitAsync();
        Assert.Empty(Server.Seen("insert"));
        Server.User = right;
        await DeliveredAsync();
        AssertKept(messages);
        Assert.DoesNotContain(
            Log, static line => line.Contains("hunter2secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_outage_in_the_middle_of_a_batch_costs_only_time()
    {
        Message[] messages = await FillAsync();
        Server.Next("insert", MongoFault.After(MongoMisbehaviour.Freeze));
        Start();
        await Eventually.IsAsync(() => Server.Seen("insert").Count > 0);
        Server.Down();
        await WaitAsync();
        await WaitAsync();
        Server.Up();
        await DeliveredAsync();
        AssertKept(messages);
    }

    [Fact]
    public async Task A_slow_answer_is_waited_for()
    {
        Message[] messages = await FillAsync();
        Server.Next("insert", MongoFault.After(MongoMisbehaviour.Slow));
        Start();
        await DeliveredAsync();
        Assert.Single(Server.Seen("insert"));
        AssertKept(messages);
    }

    [Theory]
    [InlineData(121)]
    [InlineData(10334)]
    [InlineData(17280)]
    public async Task Poison_is_set_aside_and_its_neighbours_arrive_though_an_answer_was_lost(int code)
    {
        Message[] messages = await FillAsync(5);
        MongoFault poison = MongoFault.Reject((1, code), (3, code));
        Server.Next("insert", poison with { Misbehaviour = MongoMisbehaviour.Drop }, poison);
        Start();
        await DeliveredAsync();
        AssertStoredOnce([messages[0], messages[2], messages[4]]);
        Assert.Equal(2, Quarantined.Length);
        Assert.All(Quarantined, reason => Assert.Contains($"{code}", reason, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Another_key_is_given_where_one_is_taken_though_an_answer_was_lost()
    {
        Message[] messages = await FillAsync(3);
        var taken = new MongoDoc
        {
            { "_id", messages[1].Id },
            { "date", MongoMessages.Date(0) },
            { "username", "krabaton" },
            { "message", "else" },
        };
        Server.Put("letterbox", "messages", taken);
        Server.Next("insert", MongoFault.After(MongoMisbehaviour.Drop));
        Start();
        await DeliveredAsync();
        Assert.Equal(
            ["else", "message 1", "message 3", "message 2"],
            Server.Stored("letterbox", "messages").Select(static d => (string)d["message"]!));
        Assert.Empty(Quarantined);
    }

    private static IEnumerable<KeyValuePair<string, MongoFault>> AnswersGoneWrong() =>
        from how in Enum.GetValues<MongoMisbehaviour>()
        where how is not (MongoMisbehaviour.None or MongoMisbehaviour.Slow)
        from failure in new[] { MongoFault.Before(how), MongoFault.After(how) }
        select KeyValuePair.Create($"{how}, {When(failure)}", failure);

    private static IEnumerable<KeyValuePair<string, MongoFault>> NotNow() =>
        (from code in s_states
         from failure in BeforeAndAfter(MongoFault.CommandError(code))
         select KeyValuePair.Create($"{code}, {When(failure)}", failure))
        .Append(new("64", MongoFault.NotDurable(64)))
        .Append(new("100", MongoFault.NotDurable(100)))
        .Append(new("91 as a write concern error", MongoFault.NotDurable(91)))
        .Concat(
            from failure in BeforeAndAfter(MongoFault.CommandError(8, "unknown", "RetryableWriteError"))
            select KeyValuePair.Create($"label RetryableWriteError, {When(failure)}", failure));

    private static IEnumerable<KeyValuePair<string, MongoFault>> NotHere() =>
        from code in new[] { 13, 18, 14031 }
        from failure in BeforeAndAfter(MongoFault.CommandError(code))
            .Append(MongoFault.Reject((7, code)))
        select KeyValuePair.Create(
            $"{code}, {(failure.Answer is null ? "of one document" : When(failure))}", failure);

    private static IEnumerable<KeyValuePair<string, MongoFault>> WithoutReason() =>
    [
        new("an empty answer", new MongoFault { CarryOut = true, Answer = [] }),
        new("a code that is 0", MongoFault.CommandError(0)),
        new("a code that is a text", new MongoFault { Answer = new() { { "ok", 0.0 }, { "code", "13" } } }),
        new(
            "errors that are no list",
            new MongoFault { Answer = new() { { "ok", 1.0 }, { "writeErrors", 1 } } }),
        new("not ok and nothing else", new MongoFault { Answer = new MongoDoc { { "ok", 0.0 } } }),
        new("less than all", new MongoFault { Answer = new MongoDoc { { "ok", 1.0 }, { "n", 2 } } }),
    ];

    private static MongoFault[] BeforeAndAfter(MongoFault failure) =>
        [failure, failure with { CarryOut = true }];

    private static string When(MongoFault failure) => failure.CarryOut ? "stored" : "not stored";
}
