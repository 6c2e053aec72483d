// The UDP half of the socket server: one datagram, one message of any dialect, the same answer line sent back
// to where it came from. A datagram may be lost, doubled or reordered: a client without an answer sends the
// same
// id again.
//
// A datagram has at most 65,527 bytes, fewer than an encoded message may have: none is ever cut or too long.
//
// The source address of a datagram can be forged, so the server must not amplify traffic to that
// address: what is shorter than the shortest message gets no answer, and only OK may be longer than what
// came. And a flood costs the other clients little: after a turn of datagrams the loop rests, and it reads no
// more than the journal takes; what is too much is dropped where it waits, in the socket's buffer.

using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Letterbox.Hosting;
using Letterbox.Messages;
using Microsoft.Extensions.Logging;

namespace Letterbox.Sockets;

/// <summary>Serves one UDP port. Nothing that arrives ends it.</summary>
internal sealed class DatagramServer : IDisposable
{
    /// <summary>Datagrams that are read in a row; then the loop rests, if there are more.</summary>
    public const int PerTurn = 64;

    private const int DatagramMax = 65_536;

    // At most 64 datagrams in 4 ms: about a sixth of a core.
    private static readonly TimeSpan s_rest = TimeSpan.FromMilliseconds(4);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(10);

    private readonly Socket _socket;
    private readonly Func<Client, Message, ValueTask<Receipt>> _accept;
    private readonly StoreStatus _status;
    private readonly int _inFlightMax;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _capacity; // for datagrams that are read and not yet answered
    private Task _receiving = Task.CompletedTask;

    /// <summary>Binds; datagrams wait in the socket's buffer until <see cref="Start"/>.</summary>
    /// <exception cref="SocketException">The address cannot be bound.</exception>
    public DatagramServer(
        IPEndPoint at, Func<Client, Message, ValueTask<Receipt>> accept, StoreStatus status, int inFlightMax,
        TimeProvider time, ILogger log)
    {
        (_accept, _status, _inFlightMax, _time, _log) = (accept, status, inFlightMax, time, log);
        _capacity = new SemaphoreSlim(inFlightMax);
        _socket = new Socket(at.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            if (at.Address.Equals(IPAddress.IPv6Any)) _socket.DualMode = true;
            _socket.Bind(at);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint => (IPEndPoint)_socket.LocalEndPoint!;

    /// <summary>Begins to receive, until <paramref name="stop"/>.</summary>
    public void Start(CancellationToken stop) =>
        _receiving = Background.Run("datagrams", () => ReceiveAsync(stop));

    /// <summary>
    /// After the stop: waits until what was received is answered, at most for <paramref name="timeout"/>.
    /// </summary>
    public async Task DrainAsync(TimeSpan timeout)
    {
        await _receiving;
        using var deadline = new CancellationTokenSource(timeout, _time);
        try
        {
            for (int i = 0; i < _inFlightMax; i++) await _capacity.WaitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            // Those that are left get no answer, and are sent again.
        }

        _socket.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private async Task ReceiveAsync(CancellationToken stop)
    {
        // A flood must not block the caller.
        await Task.Yield();
        byte[] datagram = GC.AllocateUninitializedArray<byte>(DatagramMax, pinned: true);
        var sender = new SocketAddress(_socket.AddressFamily);
        int turn = 0; // datagrams that were there already when the one before was done with
        while (!stop.IsCancellationRequested)
        {
            try
            {
                if (turn == PerTurn) await Task.Delay(s_rest, _time, stop);
                ValueTask<int> receiving =
                    _socket.ReceiveFromAsync(datagram, SocketFlags.None, sender, stop);
                turn = receiving.IsCompleted && turn < PerTurn ? turn + 1 : 1;
                int length = await receiving;
                if (Decode(datagram.AsSpan(0, length)) is not { } decoded) continue;
                await _capacity.WaitAsync(stop);
                SocketAddress from = Copy(sender);
                _ = Background.Run("a datagram", () => AnswerAsync(decoded, length, from));
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                // The error of an earlier answer (port unreachable), or a lack of memory: neither ends this
                // server, and the second needs a pause.
                _log.LogDebug("receiving a datagram failed: {Error}", e.SocketErrorCode);
                await Task.Delay(s_pause, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception e)
            {
                // A bug of ours: it costs this datagram, never the server.
                _log.LogError(e, "a datagram failed unexpectedly");
            }
        }
    }

    // Null: it gets no answer.
    private Decoded? Decode(ReadOnlySpan<byte> datagram)
    {
        if (datagram.Length < Message.EncodedBytesMin) return null;
        // An answer is never answered: with a forged sender two servers would talk to each other for ever.
        if (Answer.TryRead(datagram.TrimEnd((byte)'\n'), out _)) return null;
        return MessageDecoder.DecodeDatagram(datagram, _time);
    }

    private async Task AnswerAsync(Decoded decoded, int lengthMax, SocketAddress sender)
    {
        byte[] line = ArrayPool<byte>.Shared.Rent(Answer.BytesMax);
        try
        {
            Receipt receipt = decoded.Status == DecodeStatus.Complete
                ? await _accept(ClientOf(sender), decoded.Message!)
                : Receipt.Rejected(decoded.Reason);
            _status.Record(receipt);
            int length = Answer.Write(receipt, line);
            if (length > lengthMax && receipt.Kind != ReceiptKind.Stored)
            {
                length = lengthMax;
                line[length - 1] = (byte)'\n';
            }

            await _socket.SendToAsync(line.AsMemory(0, length), SocketFlags.None, sender);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // An answer may be lost like any datagram.
        }
        catch (Exception e)
        {
            // A bug in the accepting code: it costs this datagram its answer.
            _log.LogError(e, "a datagram failed unexpectedly");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(line);
            _capacity.Release();
        }
    }

    private Client ClientOf(SocketAddress sender)
    {
        IPAddress address = ((IPEndPoint)_socket.LocalEndPoint!.Create(sender)).Address;
        return new Client(new ClientNetwork(address), IPAddress.IsLoopback(ClientNetwork.Unmapped(address)));
    }

    private static SocketAddress Copy(SocketAddress address)
    {
        var copy = new SocketAddress(address.Family, address.Size);
        address.Buffer.Span[..address.Size].CopyTo(copy.Buffer.Span);
        return copy;
    }
}
