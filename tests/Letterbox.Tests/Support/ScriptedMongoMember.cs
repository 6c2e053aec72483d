// Test code. One address of the scripted MongoDB: accepts connections, and carries commands and answers.

using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Letterbox.Tests.Support;

/// <summary>What a member says to one message: bytes, perhaps none, and how it says them.</summary>
internal readonly record struct MongoAnswer(byte[] Bytes, MongoMisbehaviour Misbehaviour);

/// <summary>A port of loopback, from the start. Safe on any thread.</summary>
/// <param name="port">Where; 0 picks a free one.</param>
/// <param name="login">Makes the login of a new connection.</param>
/// <param name="answer">Answers a message, given as head and body.</param>
internal sealed class ScriptedMongoMember(
    int port, Func<ScriptedMongoLogin> login,
    Func<ScriptedMongoMember, ScriptedMongoLogin, byte[], byte[], MongoAnswer> answer)
{
    private static readonly TimeSpan s_slowness = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly HashSet<Socket> _connections = [];
    private readonly List<Task> _tasks = [];
    private Socket? _listener;
    private int _accepted;

    /// <summary>Where it listens, or did; 0 before it was ever up.</summary>
    public int Port { get; private set; } = port;

    /// <summary>As replica sets name it.</summary>
    public string Name => $"127.0.0.1:{Port}";

    /// <summary>Connections accepted so far.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    /// <summary>With one it speaks TLS.</summary>
    public X509Certificate2? Certificate { get; set; }

    /// <summary>Listens, on the port it had before.</summary>
    public void Up()
    {
        lock (_lock)
        {
            if (_listener is not null) return;
            _listener = Loopback.Listen(Port);
            Port = _listener.Port();
            _tasks.Add(AcceptAsync(_listener));
        }
    }

    /// <summary>Closes every connection and refuses new ones, until <see cref="Up"/>.</summary>
    public void Down()
    {
        lock (_lock)
        {
            _listener?.Dispose();
            _listener = null;
            foreach (Socket connection in _connections) connection.Dispose();
            _connections.Clear();
        }
    }

    /// <summary>Completes when nothing of it runs any more, after <see cref="Down"/>.</summary>
    public Task EndedAsync()
    {
        lock (_lock) return Task.WhenAll(_tasks);
    }

    private async Task AcceptAsync(Socket listener)
    {
        try
        {
            while (true)
            {
                Socket connection = await listener.AcceptAsync();
                Interlocked.Increment(ref _accepted);
                lock (_lock)
                {
                    if (_listener != listener)
                    {
                        connection.Dispose();
                        return;
                    }

                    _connections.Add(connection);
                    _tasks.RemoveAll(static task => task.IsCompletedSuccessfully);
                    _tasks.Add(ServeAsync(connection));
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The listener was closed.
        }
    }

    private async Task ServeAsync(Socket connection)
    {
        await Task.Yield();
        ScriptedMongoLogin session = login();
        try
        {
            await using Stream stream = await StreamAsync(connection);
            byte[] head = new byte[ScriptedMongoWire.HeadSize];
            while (true)
            {
                await stream.ReadExactlyAsync(head);
                byte[] body = new byte[ScriptedMongoWire.BodySize(head)];
                await stream.ReadExactlyAsync(body);
                MongoAnswer said = answer(this, session, head, body);
                await SendAsync(stream, said);
                if (said.Misbehaviour is MongoMisbehaviour.Drop or MongoMisbehaviour.Half) break;
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException
            or AuthenticationException)
        {
            // The client is gone, or the server is down.
        }
        finally
        {
            lock (_lock) _connections.Remove(connection);
        }
    }

    private async Task<Stream> StreamAsync(Socket connection)
    {
        var stream = new NetworkStream(connection, ownsSocket: true);
        if (Certificate is not { } certificate) return stream;
        var tls = new SslStream(stream);
        await tls.AuthenticateAsServerAsync(certificate);
        return tls;
    }

    private static async Task SendAsync(Stream stream, MongoAnswer said)
    {
        int first = 0;
        if (said.Misbehaviour == MongoMisbehaviour.Slow)
        {
            first = said.Bytes.Length / 2;
            await Task.Delay(s_slowness);
            await stream.WriteAsync(said.Bytes.AsMemory(0, first));
            await Task.Delay(s_slowness);
        }

        await stream.WriteAsync(said.Bytes.AsMemory(first));
    }
}
