// Test code. The scripted MongoDB as a process that can be killed with -9: what it answered for is in its
// file.
//
//    MongoHost FILE [PORT...]     one port: a standalone; three: a replica set. 0 picks a free one. Prints
//                                 its connection string when it is ready, and ends with its standard input.
//
// A line of standard input is a fault for the next insert: Before or After, and the misbehaviour.

using System.Globalization;
using Letterbox.Tests.Support;

if (args is not [string file, .. string[] texts])
{
    Console.Error.WriteLine("usage: MongoHost FILE [PORT...]");
    return 2;
}

int[] ports = [.. texts.Select(static text => int.Parse(text, CultureInfo.InvariantCulture))];
MongoTopology topology = ports.Length > 1 ? MongoTopology.ReplicaSet : MongoTopology.Standalone;
await using var server = new ScriptedMongo(topology, file: file, ports: ports);
Console.WriteLine(server.ImpatientUri);
while (Console.ReadLine() is { } line)
{
    string[] words = line.Split(' ');
    var misbehaviour = Enum.Parse<MongoMisbehaviour>(words[1]);
    server.Next(
        "insert", words[0] == "After" ? MongoFault.After(misbehaviour) : MongoFault.Before(misbehaviour));
}

return 0;
