// Two runs of a real store process under strace, shared by the durability tests: one that creates the
// journal and is killed, one that finds it and is stopped in good order. Clients send lines at once, so that
// commits hold several messages, and enough of them that the log is copied into the database on the way.

using System.Collections.Concurrent;
using System.Net;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Durability;

/// <summary>The trace, and what was sent while it was taken.</summary>
public sealed class TracedStore : IAsyncLifetime
{
    private const int Clients = 12;
    private const int MessagesEach = 14;

    private readonly TempFolder _folder = new();
    private readonly ConcurrentDictionary<string, string> _sent = new(StringComparer.Ordinal);

    /// <summary>The data folder, as the trace names it.</summary>
    public string Data => _folder.File("data");

    /// <summary>The trace.</summary>
    internal IReadOnlyList<SystemCall> Calls { get; private set; } = [];

    /// <summary>The text of each message by its key. All were acknowledged.</summary>
    public IReadOnlyDictionary<string, string> Sent => _sent;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        string file = _folder.File("trace");
        await LiveAsync(file, killed: true);
        await LiveAsync(file, killed: false);
        Calls = StoreTrace.Read(File.ReadLines(file));
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task LiveAsync(string trace, bool killed)
    {
        var supervised = new Dictionary<string, string> { [StopSignal.SupervisedVariable] = "1" };
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(
            ["store"], supervised, Data, under: StoreTrace.Command(trace));
        Address at = store.Socket;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => SendAsync(at)));
        if (killed) LetterboxProcess.Signal(store.Child("store"), LetterboxProcess.SigKill);
        else store.LetLeashGo();
        await store.EndedAsync();
    }

    private async Task SendAsync(Address at)
    {
        using SocketClient client = await SocketClient.ConnectAsync((IPEndPoint)at.ToConnect());
        for (int number = 0; number < MessagesEach; number++)
        {
            // Long ones span several pages of the database.
            int length = number % 3 == 0 ? Message.TextMax - 2 : number;
            string text = number + string.Concat(Enumerable.Repeat("📬", length));
            Message message = Texts.Message("traced", text);
            _sent[message.Id.ToString()] = message.Text;
            byte[] line = new byte[FormEncoder.BytesMax(message)];
            await client.SendAsync(line[..FormEncoder.Write(message, line)]);
            Assert.Equal($"OK {message.Id}", await client.ReadLineAsync());
        }
    }
}
