// Elections with the batch in flight. What only the old primary had is lost in them, unless a majority has
// acknowledged it.

using Letterbox.Messages;
using Letterbox.Tests.Support;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Letterbox.Tests.Store.Mongo;

public sealed class MongoElectionTests() : MongoRelayed(MongoTopology.ReplicaSet)
{
    private static readonly int[] s_oldPrimarySays = [10107, 11600, 91, 189, 11602, 13435, 13436];

    public static TheoryData<int, bool> OldPrimarySays =>
    [
        .. from code in s_oldPrimarySays
           from stored in new[] { false, true }
           select (code, stored),
    ];

    [Theory]
    [MemberData(nameof(OldPrimarySays))]
    public async Task An_election_under_a_batch_costs_another_try(int code, bool stored)
    {
        Message[] messages = await FillAsync();
        Server.Next("insert", MongoFault.CommandError(code) with { CarryOut = stored, Elects = true });
        await AssertSentToTheNextPrimaryAsync(messages);
        Assert.Equal(0, Server.RolledBack);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_primary_that_hangs_up_and_is_none_any_more_costs_another_try(bool stored)
    {
        Message[] messages = await FillAsync();
        Server.Next(
            "insert",
            new MongoFault { CarryOut = stored, Misbehaviour = MongoMisbehaviour.Drop, Elects = true });
        await AssertSentToTheNextPrimaryAsync(messages);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(91)]
    [InlineData(11600)]
    public async Task An_election_under_a_login_costs_another_try_and_is_no_fault_of_the_place(int code)
    {
        Message[] messages = await FillAsync();
        var user = new MongoUser("letterbox", "hunter2secret");
        Server.User = user;
        Server.Next("saslStart", code == 0
            ? MongoFault.Before(MongoMisbehaviour.Drop)
            : MongoFault.CommandError(code));
        Start(Server.ImpatientUri);
        TimeSpan pause = await Time.NextTimerAsync();
        Assert.InRange(pause, TimeSpan.Zero, TimeSpan.FromSeconds(1));
        Time.Advance(pause);
        await DeliveredAsync();
        AssertKept(messages);
        Assert.DoesNotContain(Log, static line => line.StartsWith("Error", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10107)]
    [InlineData(11602)]
    public async Task What_only_the_old_primary_had_is_sent_to_the_new_one(int code)
    {
        Message[] messages = await FillAsync();
        Server.Replicates = false;
        MongoFault failure = code == 0
            ? MongoFault.After(MongoMisbehaviour.Drop)
            : MongoFault.CommandError(code) with { CarryOut = true };
        Server.Next("insert", failure with { Elects = true });
        await AssertSentToTheNextPrimaryAsync(messages);
        Assert.Equal(messages.Length, Server.RolledBack);
    }

    [Fact]
    public async Task What_a_majority_has_not_acknowledged_is_not_called_delivered()
    {
        Message[] messages = await FillAsync();
        Server.Replicates = false;
        Start();
        await WaitAsync();
        await WaitAsync();
        // By now every answer has said: duplicates, and not on a majority.
        Assert.Equal(0, Marked);
        Assert.Equal(messages.Length, Server.Stored("letterbox", "messages").Count);
        Server.Elect();
        Assert.Empty(Server.Stored("letterbox", "messages"));
        await DeliveredAsync();
        AssertKept(messages);
    }

    [Fact]
    public async Task A_primary_that_dies_is_left_for_the_next_one()
    {
        Message[] messages = await FillAsync();
        Server.Next("insert", MongoFault.After(MongoMisbehaviour.Freeze));
        Start();
        await Eventually.IsAsync(() => Server.Seen("insert").Count > 0);
        Server.LosePrimary();
        await DeliveredAsync();
        AssertKept(messages);
        Assert.Equal(2, Server.Seen("insert").Select(static c => c.Port).Distinct().Count());
    }

    [Fact]
    public void Who_asks_for_less_than_a_majority_would_lose_messages()
    {
        // Shows that the elections above take away what they should.
        Server.Replicates = false;
        using var client = new MongoClient(Server.ImpatientUri + "&w=1");
        client.GetDatabase("letterbox").GetCollection<BsonDocument>("messages").InsertOne(new("_id", 1));

        Server.Elect();
        Assert.Empty(Server.Stored("letterbox", "messages"));
    }

    private async Task AssertSentToTheNextPrimaryAsync(Message[] messages)
    {
        Start();
        await DeliveredAsync();
        AssertKept(messages);
        int[] asked = [.. Server.Seen("insert").Select(static c => c.Port)];
        Assert.Equal(Server.Ports[0], asked[0]);
        Assert.Equal(Server.Ports[1], asked[^1]);
    }
}
