// The meaning of MongoDB's error codes.
//
//    meaning     of a whole command, or a login           of one document in it
//    ----------  ---------------------------------------  --------------------------------------------------
//    transient   all but those below: the connection,     91, 189, 10107 and others that the server documents
//                an election, not durable yet             as retryable, or any code with a transient label
//    operator    13 not authorized, 18 and 8000 not       13, 14031
//                authenticated, 14031 disk full
//    duplicate                                            11000
//    poison                                               121 failed validation, 10334 too large, 17280 index
//                                                         key too large
//    unknown                                              all others
//
// Atlas reports a wrong password with 8000.

using System.Net;
using Letterbox.Store.Delivery;
using MongoDB.Bson;
using MongoDB.Driver;
using MongoDB.Driver.Core.Clusters;
using MongoDB.Driver.Core.Servers;

namespace Letterbox.Store.Mongo;

internal enum WriteErrorKind
{
    Duplicate,
    Poison,
    NeedsOperator,
    Transient,
    Unknown,
}

// Translates errors of the driver and of the server.
internal static class MongoFailure
{
    private const int ReasonMax = 500;

    // What the driver threw; the cluster is what it knows about the servers.
    public static DeliveryFailure Of(Exception e, ClusterDescription? cluster)
    {
        for (Exception? inner = e; inner is not null; inner = inner.InnerException)
        {
            if (inner is MongoCommandException command) return Of(command.Result);
        }

        // The driver's text describes the whole cluster on several pages.
        if (e is TimeoutException && cluster is not null) return new(Describe(cluster));
        Exception innermost = e.GetBaseException();
        return new(OneLine(innermost == e ? e.Message : $"{e.Message} {innermost.Message}"));
    }

    public static WriteErrorKind Meaning(long code) => code switch
    {
        11000 => WriteErrorKind.Duplicate,
        121 or 10334 or 17280 => WriteErrorKind.Poison,
        13 or 18 or 8000 or 14031 => WriteErrorKind.NeedsOperator,
        6 or 7 or 24 or 46 or 50 or 64 or 82 or 89 or 91 or 112 or 117 or 133 or 134 or 150 or 189 or 202
            or 249 or 262 or 365 or 9001 or 10107 or 11600 or 11601 or 11602 or 13388 or 13435 or 13436
            => WriteErrorKind.Transient,
        _ => WriteErrorKind.Unknown,
    };

    // The text as one line of limited length, for a log.
    public static string OneLine(string text) =>
        text[..Math.Min(text.Length, ReasonMax)].ReplaceLineEndings(" ");

    // The reply to a command that failed, or that succeeded but is not durable yet.
    private static DeliveryFailure Of(BsonDocument answer)
    {
        if (answer.GetValue("writeConcernError", 0) is BsonDocument notDurable)
            return new(ServerError.Read(notDurable).ToString());
        var error = ServerError.Read(answer);
        return new(error.ToString(), Meaning(error.Code) == WriteErrorKind.NeedsOperator);
    }

    private static string Describe(ClusterDescription cluster)
    {
        IEnumerable<string> servers = cluster.Servers.Select(
            static server => $"{Name(server.EndPoint)}: {State(server)}");
        if (cluster.DnsMonitorException is { } dns) servers = servers.Append(dns.GetBaseException().Message);
        return OneLine($"no server accepts writes ({string.Join("; ", servers)})");
    }

    private static string State(ServerDescription server) => server.HeartbeatException is { } e
        ? e.GetBaseException().Message
        : server.Type switch
        {
            ServerType.Unknown => "no reply yet",
            ServerType.ReplicaSetSecondary => "is a secondary",
            var type => $"is a {type}",
        };

    private static string Name(EndPoint at) =>
        at is DnsEndPoint dns ? $"{dns.Host}:{dns.Port}" : at.ToString() ?? "";
}
