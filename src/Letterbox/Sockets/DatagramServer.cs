// The UDP half of the socket server: one datagram, one message of any dialect, the same answer line sent back
// to where it came from. A datagram may be lost, doubled or overtaken: whoever hears nothing sends the same
// id again.
//
// A datagram has at most 65,527 bytes, fewer than an encoded message may have: none is ever cut or too long.

using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Letterbox.Sockets;

/// <summary>Serves one UDP port. Nothing that arrives ends it.</summary>
internal sealed class DatagramServer : IDisposable
{
    private const int DatagramMax = 65_536;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(10);

    private readonly Socket _socket;
    private readonly Deliver _accept;
    private readonly StoreStatus _status;
    private readonly int _inFlightMax;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _receiving = Task.CompletedTask;

    // The receiving loop itself counts as one, so that zero means: stopped, and the last answer is sent.
    private int _inFlight = 1;

    /// <summary>Binds; datagrams wait in the socket's buffer until <see cref="Start"/>.</summary>
    /// <exception cref="SocketException">The address cannot be bound.</exception>
    public DatagramServer(
        IPEndPoint at, Deliver accept, StoreStatus status, int inFlightMax, TimeProvider time, ILogger log)
    {
        (_accept, _status, _inFlightMax, _time, _log) = (accept, status, inFlightMax, time, log);
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

    /// <summary>Begins to receive, until <paramref name="stop"/>.</summary>
    public void Start(CancellationToken stop) => _receiving = ReceiveAsync(stop);

    /// <summary>
    /// After the stop: waits until what was received is answered, at most for <paramref name="patience"/>.
    /// </summary>
    public async Task DrainAsync(TimeSpan patience)
    {
        await _receiving;
        End();
        await Task.WhenAny(_drained.Task, Task.Delay(patience, _time));
        _socket.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private async Task ReceiveAsync(CancellationToken stop)
    {
        // A flood must not keep whoever starts this from going on.
        await Task.Yield();
        byte[] datagram = GC.AllocateUninitializedArray<byte>(DatagramMax, pinned: true);
        var sender = new SocketAddress(_socket.AddressFamily);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                int length = await _socket.ReceiveFromAsync(datagram, SocketFlags.None, sender, stop);
                Take(datagram.AsSpan(0, length), sender);
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
                // What an earlier answer met (port unreachable), or a want of memory: neither is this
                // server's end, and the second is not mended by haste.
                _log.LogDebug("receiving a datagram failed: {Error}", e.SocketErrorCode);
                await Task.Delay(s_pause, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception e)
            {
                // A bug of ours: it costs this datagram, never the server.
                _log.LogError(e, "a datagram met a fault");
            }
        }
    }

    private void Take(ReadOnlySpan<byte> datagram, SocketAddress sender)
    {
        // An answer is never answered: with a forged sender two servers would talk to each other for ever.
        if (Answer.TryRead(datagram.TrimEnd((byte)'\n'), out _)) return;
        Decoded decoded = MessageDecoder.DecodeDatagram(datagram, _time);
        bool room = Interlocked.Increment(ref _inFlight) - 1 <= _inFlightMax;
        _ = AnswerAsync(decoded, room, Copy(sender));
    }

    private async Task AnswerAsync(Decoded decoded, bool room, SocketAddress sender)
    {
        byte[] line = ArrayPool<byte>.Shared.Rent(Answer.BytesMax);
        try
        {
            Receipt receipt = decoded.Status != DecodeStatus.Complete ? Receipt.Refused(decoded.Reason)
                : room ? await _accept(decoded.Message!)
                : Receipt.Later("too many datagrams at once");
            if (room) _status.Saw(receipt);
            int length = Answer.Write(receipt, line);
            await _socket.SendToAsync(line.AsMemory(0, length), SocketFlags.None, sender);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // An answer may be lost like any datagram.
        }
        catch (Exception e)
        {
            // A bug in whoever accepts: it costs this datagram its answer.
            _log.LogError(e, "a datagram met a fault");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(line);
            End();
        }
    }

    private void End()
    {
        if (Interlocked.Decrement(ref _inFlight) == 0) _drained.TrySetResult();
    }

    private static SocketAddress Copy(SocketAddress address)
    {
        var copy = new SocketAddress(address.Family, address.Size);
        address.Buffer.Span[..address.Size].CopyTo(copy.Buffer.Span);
        return copy;
    }
}
