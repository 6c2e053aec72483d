// How a process learns that it is to stop, in good order.
//
//   what happens             alone or the supervisor   started by the supervisor
//   SIGTERM                  stop                      stop
//   SIGINT (Ctrl-C), SIGHUP  stop                      nothing: the terminal tells the whole group, and the
//                                                      supervisor decides the order
//   any of these once more   end at once               nothing: the supervisor kills whoever takes too long
//   the leash goes slack     -                         stop; ended by force if that takes too long
//
// The leash is the standard input of a supervised process: a pipe whose other end the supervisor holds and
// never writes to. End of file means stop. The kernel closes it too when the supervisor is killed, so that
// nobody is left an orphan.

using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Letterbox.Hosting;

/// <summary>Tells this process to stop. One for each process, for as long as it lives.</summary>
public sealed partial class StopSignal : IDisposable
{
    /// <summary>The environment variable that marks a process as held on the leash.</summary>
    public const string SupervisedVariable = "LETTERBOX_SUPERVISED";

    /// <summary>Its values: the role was not ready yet under this supervisor; it was.</summary>
    public const string FirstStart = "1", Restart = "restart";

    // More than the supervisor waits before it kills: this matters only where there is no supervisor any
    // more.
    private static readonly TimeSpan s_exitTimeout = TimeSpan.FromSeconds(15);

    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _immediately = new();

    // Never given up: a signal that is handled at the very end of the process would find nothing that ignores
    // it, and end the process with a status that says so.
    private static PosixSignalRegistration[] s_signals = [];

    private StopSignal(bool supervised)
    {
        Action<PosixSignalContext> toOne = supervised ? StopOnly : StopOrEnd;
        Action<PosixSignalContext> toAll = supervised ? Ignore : StopOrEnd;
        s_signals =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, toOne),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, toAll),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, toAll),
        ];
        if (!supervised) return;
        // Stopped by a signal this process would not see the leash go: then the kernel is to continue it.
        if (OperatingSystem.IsLinux()) _ = ProcessControl(SetParentDeathSignal, LinuxSigCont);
        new Thread(WatchStandardInput) { IsBackground = true, Name = "leash" }.Start();
    }

    /// <summary>Cancelled when the process is to stop in good order.</summary>
    public CancellationToken Token => _stop.Token;

    /// <summary>
    /// Cancelled when a second signal shows that someone is out of patience; the process ends right after.
    /// </summary>
    public CancellationToken Immediately => _immediately.Token;

    /// <summary>This process replaces one that was ready: its settings are not mistyped.</summary>
    public static bool IsRestart => Environment.GetEnvironmentVariable(SupervisedVariable) == Restart;

    /// <summary>Begins to listen for whatever may stop this process.</summary>
    public static StopSignal Listen() => new(
        Environment.GetEnvironmentVariable(SupervisedVariable) is FirstStart or Restart);

    /// <inheritdoc/>
    public void Dispose()
    {
        // All of it stays: the leash may go slack at the very end, and cancelling must do no harm then.
    }

    private static void Ignore(PosixSignalContext signal) => signal.Cancel = true;

    private void StopOnly(PosixSignalContext signal)
    {
        signal.Cancel = true;
        _stop.Cancel();
    }

    private void StopOrEnd(PosixSignalContext signal)
    {
        // A signal that is not cancelled does to this program what it does to any other.
        signal.Cancel = !_stop.IsCancellationRequested;
        if (signal.Cancel) _stop.Cancel();
        else _immediately.Cancel();
    }

    private const int SetParentDeathSignal = 1, LinuxSigCont = 18;

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int ProcessControl(int option, nint value);

    private void WatchStandardInput()
    {
        Span<byte> nothing = stackalloc byte[16];
        using Stream leash = Console.OpenStandardInput();
        while (leash.Read(nothing) > 0)
        {
            // Nobody writes to it; if something does, that is no reason to stop.
        }

        _stop.Cancel();
        Thread.Sleep(s_exitTimeout);
        using var self = Process.GetCurrentProcess();
        self.Kill();
    }
}
