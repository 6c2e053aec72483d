// How a process learns that it is to stop, in good order.
//
//   what happens             alone or the supervisor   started by the supervisor
//   SIGTERM                  stop                      stop
//   SIGINT (Ctrl-C), SIGHUP  stop                      nothing: the terminal tells the whole group, and the
//                                                      supervisor decides the order
//   any of these once more   end at once               nothing: the supervisor kills a child that takes too
// long
//   standard input ends      -                         stop; ended by force if that takes too long
//
// The standard input of a supervised process is a pipe whose other end the supervisor holds and
// never writes to. End of file means stop. The kernel closes it too when the supervisor is killed, so that
// no child outlives it.

using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Letterbox.Hosting;

/// <summary>Tells this process to stop. One for each process, for as long as it lives.</summary>
public sealed partial class StopSignal : IDisposable
{
    /// <summary>The environment variable that marks a supervised process.</summary>
    public const string SupervisedVariable = "LETTERBOX_SUPERVISED";

    /// <summary>Its values: the role was not ready yet under this supervisor; it was.</summary>
    public const string FirstStart = "1", Restart = "restart";

    // More than the supervisor waits before it kills: this matters only where there is no supervisor any
    // more.
    private static readonly TimeSpan s_exitTimeout = TimeSpan.FromSeconds(15);

    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _immediately = new();

    // Never given up: a signal that is handled at the very end of the process would find nothing that ignores
    // it, and end the process with the status of that signal.
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
        // A process stopped by a signal would not see its standard input end: the kernel continues it then.
        if (OperatingSystem.IsLinux()) _ = ProcessControl(SetParentDeathSignal, LinuxSigCont);
        new Thread(WatchStandardInput) { IsBackground = true, Name = "standard input" }.Start();
    }

    /// <summary>Cancelled when the process is to stop in good order.</summary>
    public CancellationToken Token => _stop.Token;

    /// <summary>
    /// Cancelled when a second signal asks for an immediate end; the process ends right after.
    /// </summary>
    public CancellationToken Immediately => _immediately.Token;

    /// <summary>This process replaces one that was ready: its settings are not mistyped.</summary>
    public static bool IsRestart => Environment.GetEnvironmentVariable(SupervisedVariable) == Restart;

    /// <summary>Starts to listen for everything that stops this process.</summary>
    public static StopSignal Listen() => new(
        Environment.GetEnvironmentVariable(SupervisedVariable) is FirstStart or Restart);

    /// <inheritdoc/>
    public void Dispose()
    {
        // Nothing is disposed: standard input may end at the very end, and cancelling must be harmless then.
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
        using Stream input = Console.OpenStandardInput();
        while (input.Read(nothing) > 0)
        {
            // Nothing is written to it; if something is, that is no reason to stop.
        }

        _stop.Cancel();
        Thread.Sleep(s_exitTimeout);
        using var self = Process.GetCurrentProcess();
        self.Kill();
    }
}
