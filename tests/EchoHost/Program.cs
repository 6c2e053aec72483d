// Serves the echo on a port, so that public conformance suites can be pointed at the engine.

using Letterbox.Tests.Support;

if (args is not [string text] || !ushort.TryParse(text, out ushort port))
{
    Console.Error.WriteLine("usage: EchoHost <port>");
    return 2;
}

await using var host = new EchoHost(port);
Console.WriteLine($"echo on 127.0.0.1:{host.Port}, until Ctrl+C");
var stop = new TaskCompletionSource();
Console.CancelKeyPress += (_, key) => key.Cancel = stop.TrySetResult();
await stop.Task;
return 0;
