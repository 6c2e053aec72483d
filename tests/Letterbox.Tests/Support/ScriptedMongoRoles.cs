// Test code. What the scripted MongoDB says of itself when it is asked hello:
//
//    standalone    one address
//    sharded       one address of a mongos: msg "isdbgrid"
//    replica set   its members; one is the primary, of a term that grows with each election
//
// No topologyVersion: clients then ask now and again instead of waiting for a streamed answer.

using System.Globalization;

namespace Letterbox.Tests.Support;

/// <summary>Kind of deployment.</summary>
internal enum MongoTopology
{
    /// <summary>One server.</summary>
    Standalone,

    /// <summary>A replica set of three, "rs0".</summary>
    ReplicaSet,

    /// <summary>A mongos in front of shards.</summary>
    Sharded,
}

/// <summary>Who the members are, and which one is the primary. Not thread-safe.</summary>
internal sealed class ScriptedMongoRoles(MongoTopology topology, IReadOnlyList<ScriptedMongoMember> members)
{
    public const string SetName = "rs0";

    private int _term = 1;

    /// <summary>Takes writes.</summary>
    public ScriptedMongoMember Primary { get; private set; } = members[0];

    /// <summary>The next member is the primary.</summary>
    public void Elect()
    {
        Primary = members[_term % members.Count];
        _term++;
    }

    public MongoDoc Hello(ScriptedMongoMember me, bool namesUser)
    {
        bool primary = me == Primary;
        var hello = new MongoDoc
        {
            { "isWritablePrimary", primary },
            { "ismaster", primary },
            { "helloOk", true },
            { "maxBsonObjectSize", 16 * 1024 * 1024 },
            { "maxMessageSizeBytes", 48_000_000 },
            { "maxWriteBatchSize", 100_000 },
            { "logicalSessionTimeoutMinutes", 30 },
            { "minWireVersion", 0 },
            { "maxWireVersion", 21 },
            { "readOnly", false },
        };
        if (namesUser) hello.Add("saslSupportedMechs", new object?[] { "SCRAM-SHA-256" });
        if (topology == MongoTopology.Sharded) hello.Add("msg", "isdbgrid");
        if (topology == MongoTopology.ReplicaSet) AddSet(hello, me, primary);
        hello.Add("ok", 1.0);
        return hello;
    }

    private void AddSet(MongoDoc hello, ScriptedMongoMember me, bool primary)
    {
        hello.Add("setName", SetName);
        hello.Add("setVersion", 1);
        hello.Add("secondary", !primary);
        hello.Add("hosts", members.Select(static m => m.Name).ToArray<object?>());
        hello.Add("primary", Primary.Name);
        hello.Add("me", me.Name);
        if (!primary) return;
        string term = _term.ToString("x16", CultureInfo.InvariantCulture);
        hello.Add("electionId", new RawValue(0x07, $"7fffffff{term}"));
    }
}
