// The UDP half of the socket server: one datagram is one message of any dialect, and the answer line is sent
// back to its source. Datagrams may be lost, duplicated or reordered: a client without an answer sends the
// same id again.
//
// A datagram has at most 65,527 bytes, fewer than an encoded message may have, so none is truncated.
//
// The source address can be forged, so the server must not amplify traffic: a datagram shorter than the
// shortest message gets no answer, and only OK may be longer than the datagram. A flood must not slow other
// clients: the loop pauses after a number of datagrams, and reads no more than the journal can store; the
// rest is dropped from the socket's buffer.

using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Letterbox.Hosting;
using Letterbox.Messages;
using Microsoft.Extensions.Logging;

namespace Letterbox.Sockets;

// Serves one UDP port; datagrams wait in the socket's buffer until Start. No datagram can end it.
/// <exception cref="SocketException">The address cannot be bound.</exception>
internal sealed class DatagramServer(SocketServer server, IPEndPoint at, ILogger log) : IDisposable
{
    // Datagrams that are read in a row; then the loop pauses, if more are waiting.
    public const int BurstMax = 64;

    private const int DatagramMax = 65_536;

    // At most 64 datagrams in 4 ms: about a sixth of a core.
    private static readonly TimeSpan s_pauseAfterBurst = TimeSpan.FromMilliseconds(4);
    private static readonly TimeSpan s_pauseAfterError = TimeSpan.FromMilliseconds(10);

    private readonly Socket _socket = Listener.Bind(at, SocketType.Dgram, ProtocolType.Udp);

    // For datagrams without an answer.
    private readonly SemaphoreSlim _capacity = new(server.Limits.DatagramsInFlightMax);
    private Task _receiving = Task.CompletedTask;

    public void Start(CancellationToken stop) =>
        _receiving = Background.Run("the datagram loop", () => ReceiveAsync(stop));

    // After the stop: waits until all received datagrams are answered, within the timeout.
    public async Task DrainAsync(TimeSpan timeout)
    {
        await _receiving;
        using var deadline = new CancellationTokenSource(timeout, server.Time);
        try
        {
            for (int i = 0; i < server.Limits.DatagramsInFlightMax; i++)
                await _capacity.WaitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            // The rest gets no answer, and is sent again.
        }

        _socket.Dispose();
    }

    public void Dispose() => _socket.Dispose();

    private async Task ReceiveAsync(CancellationToken stop)
    {
        // A flood must not block the caller.
        await Task.Yield();
        byte[] datagram = GC.AllocateUninitializedArray<byte>(DatagramMax, pinned: true);
        var sender = new SocketAddress(_socket.AddressFamily);
        int burst = 0; // datagrams that were read without a wait
        while (!stop.IsCancellationRequested)
        {
            try
            {
                if (burst == BurstMax) await Task.Delay(s_pauseAfterBurst, server.Time, stop);
                ValueTask<int> receiving =
                    _socket.ReceiveFromAsync(datagram, SocketFlags.None, sender, stop);
                burst = receiving.IsCompleted && burst < BurstMax ? burst + 1 : 1;
                int length = await receiving;
                if (Decode(datagram.AsSpan(0, length)) is not { } decoded) continue;
                await _capacity.WaitAsync(stop);
                SocketAddress from = Copy(sender);
                _ = Background.Run("a datagram", () => AnswerAsync(decoded, length, from));
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                // The error of an earlier answer (port unreachable), or out of memory, which needs a pause.
                log.LogDebug("receiving a datagram failed: {Error}", e.SocketErrorCode);
                await Task.Delay(s_pauseAfterError, server.Time, stop)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception e)
            {
                // A bug must not end more than this datagram.
                log.LogError(e, "a datagram failed unexpectedly");
                await Task.Delay(s_pauseAfterError, server.Time, stop)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    // Null: no answer.
    private Decoded? Decode(ReadOnlySpan<byte> datagram)
    {
        if (datagram.Length < Message.EncodedBytesMin) return null;
        // An answer is not answered: with a forged source two servers would answer each other forever.
        if (Answer.TryRead(datagram.TrimEnd((byte)'\n'), out _)) return null;
        return MessageDecoder.DecodeDatagram(datagram, server.Time);
    }

    private async Task AnswerAsync(Decoded decoded, int lengthMax, SocketAddress sender)
    {
        byte[] line = ArrayPool<byte>.Shared.Rent(Answer.BytesMax);
        try
        {
            Receipt receipt = decoded.Status == DecodeStatus.Complete
                ? await server.Accept(decoded.Message!)
                : Receipt.Rejected(decoded.Reason);
            server.Status.Record(receipt);
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
            // A bug must not end more than this datagram.
            log.LogError(e, "a datagram failed unexpectedly");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(line);
            _capacity.Release();
        }
    }

    private static SocketAddress Copy(SocketAddress address)
    {
        var copy = new SocketAddress(address.Family, address.Size);
        address.Buffer.Span[..address.Size].CopyTo(copy.Buffer.Span);
        return copy;
    }
}
