// How long messages have not reached MongoDB, what is logged about it, and when to retry.
//
//    transient failure     100 ms, doubling to 5 s     logged when it begins and when it ends
//    needs an operator     30 s                        also logged when it follows a transient failure
//
// Each pause is between half of it and all of it, so that many stores do not retry in step.

using Microsoft.Extensions.Logging;

namespace Letterbox.Store.Delivery;

// Used by the relay's thread; Failure may be read on any thread.
internal sealed class RelayBackoff(ILogger log)
{
    private static readonly TimeSpan s_pauseMin = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_pauseMax = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_operatorPause = TimeSpan.FromSeconds(30);

    private volatile string? _failure;
    private int _failures;
    private bool _operatorLogged;

    // Why messages do not reach MongoDB, for a log; null when they do.
    public string? Failure => _failure;

    // Records a failure. Returns how long to wait before the next attempt.
    public TimeSpan Failed(DeliveryFailure failure)
    {
        _failure = failure.Reason;
        _failures++;
        if (failure.NeedsOperator && !_operatorLogged)
        {
            _operatorLogged = true;
            log.LogError(
                "messages do not reach MongoDB: {Reason}; they are safe in the journal, but this must be "
                + "fixed; retrying every 15 to 30 s", failure.Reason);
        }
        else if (_failures == 1)
        {
            log.LogWarning(
                "messages do not reach MongoDB: {Reason}; they are safe in the journal, retrying",
                failure.Reason);
        }

        TimeSpan longer = s_pauseMin * Math.Pow(2, Math.Min(_failures - 1, 10));
        TimeSpan pause = failure.NeedsOperator ? s_operatorPause : longer < s_pauseMax ? longer : s_pauseMax;
        return pause * (0.5 + (Random.Shared.NextDouble() / 2));
    }

    // Records that messages reach MongoDB, and how many are still waiting.
    public void Recovered(long waiting)
    {
        if (_failures == 0) return;
        log.LogInformation(
            "messages reach MongoDB again, after {Failures} failures; {Waiting} are waiting",
            _failures, waiting);
        (_failure, _failures, _operatorLogged) = (null, 0, false);
    }
}
