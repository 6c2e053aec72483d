// A process whose supervisor was killed ends on its own (StopSignal.cs), but not at once. If Letterbox is
// started again meanwhile, the address or the journal is still in use, and it waits.

using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Letterbox.Hosting;

// Waits for resources that another process may be about to release. One per start. `isHeld` recognises the
// exception of a resource other than an address that is in use.
internal sealed class Predecessor(
    TimeProvider time, ILogger log, CancellationToken stop, Func<Exception, bool>? isHeld = null)
{
    // One second longer than a process without a supervisor may take to end.
    private static readonly TimeSpan s_waitMax = TimeSpan.FromSeconds(16);

    private static readonly TimeSpan s_retryEvery = TimeSpan.FromMilliseconds(100);

    // Answers in a row after which the other process is not about to end: it stops answering at once.
    private const int AnswersMax = 10;

    private static readonly TimeSpan s_answerTimeout = TimeSpan.FromSeconds(1);

    private readonly long _since = time.GetTimestamp();

    // Acquires a resource when it is free; all calls together wait at most 16 s, and not for a process
    // that serves: `isServed` asks it.
    /// <exception cref="OperationCanceledException">This process is to stop.</exception>
    public async Task<T> AcquireAsync<T>(
        string name, Func<T> acquire, Func<CancellationToken, Task<bool>> isServed)
    {
        bool logged = false;
        for (int answers = 0; ;)
        {
            string reason;
            try
            {
                return acquire();
            }
            catch (Exception e) when (
                IsHeld(e) && answers < AnswersMax && time.GetElapsedTime(_since) < s_waitMax)
            {
                reason = e.Message;
            }

            using (var deadline = CancellationTokenSource.CreateLinkedTokenSource(stop))
            {
                deadline.CancelAfter(s_answerTimeout);
                answers = await isServed(deadline.Token) ? answers + 1 : 0;
            }

            if (answers == 0 && !logged)
            {
                logged = true;
                log.LogWarning(
                    "{Name}: {Reason}; waiting for the other process to end, at most {Max} s",
                    name, reason, s_waitMax.TotalSeconds);
            }

            await Task.Delay(s_retryEvery, time, stop);
        }
    }

    private bool IsHeld(Exception e) =>
        e is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse }
            || isHeld?.Invoke(e) == true;
}
