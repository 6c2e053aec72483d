// A process whose supervisor was killed ends by itself (StopSignal.cs), but not at once. When the letterbox
// is started again meanwhile it finds the address or the journal still taken, and waits.

using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Letterbox.Hosting;

/// <summary>Waits for what another process may be about to release. One for each start.</summary>
/// <param name="time">The clock.</param>
/// <param name="log">What is waited for is logged here.</param>
/// <param name="stop">Ends the waiting.</param>
/// <param name="isHeld">What a taken resource other than an address throws.</param>
internal sealed class Predecessor(
    TimeProvider time, ILogger log, CancellationToken stop, Func<Exception, bool>? isHeld = null)
{
    // A second longer than a process without a supervisor may take to end.
    private static readonly TimeSpan s_waitMax = TimeSpan.FromSeconds(16);

    private static readonly TimeSpan s_retryEvery = TimeSpan.FromMilliseconds(100);

    private readonly long _since = time.GetTimestamp();

    /// <summary>Takes it when it is free; all calls together wait no longer than 16 s.</summary>
    /// <param name="what">What it is, for the log.</param>
    /// <param name="take">Takes it, or throws.</param>
    /// <exception cref="OperationCanceledException">This process is to stop.</exception>
    public async Task<T> OutwaitAsync<T>(string what, Func<T> take)
    {
        for (bool first = true; ; first = false)
        {
            try
            {
                return take();
            }
            catch (Exception e) when (IsHeld(e) && time.GetElapsedTime(_since) < s_waitMax)
            {
                if (first)
                {
                    log.LogWarning(
                        "{What}: {Reason}; waiting for its end, {Max} s at most",
                        what, e.Message, s_waitMax.TotalSeconds);
                }
            }

            await Task.Delay(s_retryEvery, time, stop);
        }
    }

    private bool IsHeld(Exception e) =>
        e is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse }
            || isHeld?.Invoke(e) == true;
}
