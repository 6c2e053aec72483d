// Somebody who leaves numbered messages and does not give up: each is sent under one key until it is thanked
// for, as a browser and its person would. Three ways in: HTTP with connections kept alive, the socket
// server's TCP, its UDP. Now and then the client itself hangs up in the middle.

using System.Net;
using System.Net.Sockets;
using System.Text;
using Letterbox.Configuration;
using Letterbox.Messages;
using Letterbox.Sockets;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Torture;

/// <summary>One client; light, so that many of them leave the machine to the product.</summary>
/// <param name="at">Where it posts to; asked again for each connection.</param>
/// <param name="ledger">Where the messages come from, and the thanks go.</param>
/// <param name="seed">Of its texts and moods.</param>
internal sealed class PostingClient(Func<Address> at, Ledger ledger, int seed) : IDisposable
{
    private const int HangUpOneIn = 50;
    private static readonly TimeSpan s_thinkMax = TimeSpan.FromMilliseconds(100);

    // Longer than the web process itself waits for the store.
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan s_datagramPatience = TimeSpan.FromMilliseconds(300);

    private readonly Random _random = new(seed);
    private readonly byte[] _answer = new byte[64 * 1024];
    private Socket? _socket;

    /// <summary>
    /// Posts over HTTP until <paramref name="stop"/>; the last message is still thanked for.
    /// </summary>
    public Task PostAsync(CancellationToken stop) => RunAsync(TryPostAsync, stop);

    /// <summary>The same, as lines over TCP.</summary>
    public Task SendLinesAsync(CancellationToken stop) => RunAsync(TrySendLineAsync, stop);

    /// <summary>The same, as datagrams.</summary>
    public Task SendDatagramsAsync(CancellationToken stop) => RunAsync(TrySendDatagramAsync, stop);

    /// <inheritdoc/>
    public void Dispose() => HangUp();

    private async Task RunAsync(Func<Message, CancellationToken, Task<bool>> send, CancellationToken stop)
    {
        await Task.Yield();
        while (!stop.IsCancellationRequested)
        {
            Message message = ledger.Next(_random);
            while (!await TryAsync(send, message))
            {
                // Gone or not able just now: whoever asks at once again only takes its time.
                await Task.Delay(20, CancellationToken.None);
            }

            ledger.Thank(message);
            await Task.Delay(_random.NextDouble() * s_thinkMax, CancellationToken.None);
        }

        Dispose();
    }

    private async Task<bool> TryAsync(Func<Message, CancellationToken, Task<bool>> send, Message message)
    {
        using var timeout = new CancellationTokenSource(s_timeout);
        try
        {
            return await send(message, timeout.Token);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            HangUp();
            return false;
        }
    }

    private async Task<bool> TryPostAsync(Message message, CancellationToken timeout)
    {
        byte[] form = Line(message)[..^1];
        string head = $"POST /message HTTP/1.1\r\nHost: {at()}\r\n"
            + $"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {form.Length}\r\n\r\n";
        if (!await SendAsync([.. Encoding.ASCII.GetBytes(head), .. form], timeout)) return false;
        string answer = await ReceiveAsync(static text => AnswerEnd(text) <= text.Length, timeout);
        if (answer.Length == 0) return false;
        if (answer.StartsWith("HTTP/1.1 303 ", StringComparison.Ordinal)) return true;
        Assert.StartsWith("HTTP/1.1 503 ", answer, StringComparison.Ordinal);
        return false;
    }

    private async Task<bool> TrySendLineAsync(Message message, CancellationToken timeout)
    {
        bool fresh = _socket is null;
        // The line feed in front promises one behind each message: so that half a message is none.
        byte[] line = fresh ? [(byte)'\n', .. Line(message)] : Line(message);
        if (!await SendAsync(line, timeout)) return false;
        return Thanks(await ReceiveAsync(static text => text.EndsWith('\n'), timeout), message);
    }

    private async Task<bool> TrySendDatagramAsync(Message message, CancellationToken timeout)
    {
        _socket ??= new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        EndPoint store = at().ToConnect();
        byte[] datagram = Line(message);
        int copies = _random.Next(1, 3);
        for (int copy = 0; copy < copies; copy++) await _socket.SendToAsync(datagram, store, timeout);
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(timeout);
        soon.CancelAfter(s_datagramPatience);
        while (true)
        {
            SocketReceiveFromResult came = await _socket.ReceiveFromAsync(_answer, store, soon.Token);
            // The answer to a copy of the message before may come as late as now.
            if (Thanks(Encoding.ASCII.GetString(_answer, 0, came.ReceivedBytes), message)) return true;
        }
    }

    private static bool Thanks(string answer, Message message)
    {
        Assert.False(answer.StartsWith("NO ", StringComparison.Ordinal), answer);
        return answer == $"OK {message.Id}\n";
    }

    private static byte[] Line(Message message)
    {
        byte[] line = new byte[FormEncoder.BytesMax(message)];
        return line[..FormEncoder.Write(message, line)];
    }

    // False: this client has hung up, in the middle of what it sent or right behind it.
    private async Task<bool> SendAsync(byte[] bytes, CancellationToken timeout)
    {
        if (_socket is null)
        {
            _socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await _socket.ConnectAsync(at().ToConnect(), timeout);
        }

        bool hangUp = _random.Next(HangUpOneIn) == 0;
        ReadOnlyMemory<byte> rest = hangUp ? bytes.AsMemory(0, _random.Next(bytes.Length + 1)) : bytes;
        while (!rest.IsEmpty) rest = rest[await _socket.SendAsync(rest, timeout)..];
        if (hangUp) HangUp();
        return !hangUp;
    }

    // One answer, or nothing when the other side has hung up.
    private async Task<string> ReceiveAsync(Func<string, bool> isWhole, CancellationToken timeout)
    {
        int length = 0;
        while (true)
        {
            int count = await _socket!.ReceiveAsync(_answer.AsMemory(length), timeout);
            length += count;
            string text = Encoding.Latin1.GetString(_answer, 0, length);
            if (count > 0 && !isWhole(text)) continue;
            if (count > 0) return text;
            HangUp();
            return "";
        }
    }

    // Where the answer that begins this text ends; beyond every text while that is not known.
    private static int AnswerEnd(string text)
    {
        const string field = "\r\nContent-Length: ";
        int content = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        if (content < 4) return int.MaxValue;
        int at = text.IndexOf(field, 0, content, StringComparison.OrdinalIgnoreCase);
        if (at < 0) return content;
        int value = at + field.Length;
        return content + int.Parse(text.AsSpan(value, text.IndexOf('\r', value) - value));
    }

    private void HangUp()
    {
        _socket?.Dispose();
        _socket = null;
    }
}
