// How a process is told to stop in an orderly way.
//
//   what happens             alone or the supervisor   started by the supervisor
//   SIGTERM                  stop                      stop
//   SIGINT (Ctrl-C), SIGHUP  stop                      nothing: the terminal signals the whole process group,
//                                                      and the supervisor decides the order
//   any of these once more   end at once               nothing: the supervisor kills slow processes
//   standard input ends      -                         stop; ended by force after a timeout
//
// The standard input of a supervised process is a pipe whose other end the supervisor holds and never writes
// to. End of file means stop. The kernel closes the pipe also when the supervisor is killed, so that no
// process is orphaned.

using System.Diagnostics;
using System.Runtime.InteropServices;
using Letterbox.Configuration;

namespace Letterbox.Hosting;

/// <summary>One per process, for its whole lifetime.</summary>
internal sealed partial class StopSignal : IDisposable
{
    // The environment variable that marks a supervised process.
    public const string SupervisedVariable = Setting.Supervised;

    // Its values: the role has not been ready yet under this supervisor; it has.
    public const string FirstStart = "1", Restart = "restart";

    // Longer than the supervisor waits before it kills: matters only if the supervisor is gone.
    private static readonly TimeSpan s_exitTimeout = TimeSpan.FromSeconds(15);

    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _immediately = new();

    // Never disposed: a signal at the very end of the process would end it with the signal's status.
    private static PosixSignalRegistration[] s_signals = [];

    private StopSignal(bool supervised)
    {
        // The runtime sets the terminal's mode when the process is continued (`bg` after Ctrl-Z), which stops
        // a process in the background unless it ignores SIGTTOU. Children inherit that.
        if (!OperatingSystem.IsWindows()) _ = SetSignalHandler(SigTtou, IgnoreSignal);
        Action<PosixSignalContext> terminate = supervised ? StopOnly : StopOrEnd;
        Action<PosixSignalContext> interrupt = supervised ? Ignore : StopOrEnd;
        s_signals =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, terminate),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, interrupt),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, interrupt),
        ];
        // A write beyond `ulimit -f` fails instead of ending the process.
        if (!OperatingSystem.IsWindows())
            s_signals = [.. s_signals, PosixSignalRegistration.Create((PosixSignal)FileSizeExceeded, Ignore)];
        if (!supervised) return;
        // A process stopped by SIGSTOP would not see the pipe close: the kernel is asked to continue it then.
        if (OperatingSystem.IsLinux()) _ = ProcessControl(SetParentDeathSignal, LinuxSigCont);
        new Thread(WatchStandardInput) { IsBackground = true, Name = "standard input" }.Start();
    }

    // Cancelled when the process is to stop.
    public CancellationToken Token => _stop.Token;

    // Cancelled at a second signal; the process ends right after.
    public CancellationToken Immediately => _immediately.Token;

    // This process replaces one that was ready, so its settings are valid.
    public static bool IsRestart => Environment.GetEnvironmentVariable(SupervisedVariable) == Restart;

    public static StopSignal Listen() => new(
        Environment.GetEnvironmentVariable(SupervisedVariable) is FirstStart or Restart);

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
        // A signal that is not cancelled has its default effect.
        signal.Cancel = !_stop.IsCancellationRequested;
        if (signal.Cancel) _stop.Cancel();
        else _immediately.Cancel();
    }

    private const int SetParentDeathSignal = 1, LinuxSigCont = 18, SigTtou = 22, FileSizeExceeded = 25;

    private const nint IgnoreSignal = 1;

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SetSignalHandler(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int ProcessControl(int option, nint value);

    private void WatchStandardInput()
    {
        Span<byte> nothing = stackalloc byte[16];
        using Stream input = Console.OpenStandardInput();
        while (input.Read(nothing) > 0)
        {
            // The supervisor never writes to it; other input is ignored.
        }

        _stop.Cancel();
        Thread.Sleep(s_exitTimeout);
        using var self = Process.GetCurrentProcess();
        self.Kill();
    }
}
