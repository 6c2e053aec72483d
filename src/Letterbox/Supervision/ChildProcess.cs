// One run of a role as an operating-system process.
//
//   its standard input   a pipe of ours, never written to; closed, it tells the child to stop: StopSignal
//   its standard output  the line "ROLE ready on HOST:PORT" once, then any other output: passed on
//   its standard error   ours
//   its settings         in its environment, where other users cannot read them as they can a command line

using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Letterbox.Configuration;
using Letterbox.Hosting;

namespace Letterbox.Supervision;

/// <summary>A running child. Safe on any thread; dispose it when it has ended.</summary>
internal sealed partial class ChildProcess : IDisposable
{
    // Continuations do not run on the thread that reads.
    private const TaskCreationOptions Later = TaskCreationOptions.RunContinuationsAsynchronously;

    // A child's last output is read before its end is reported; another process that holds the pipe must not
    // delay that
    // up.
    private static readonly TimeSpan s_outputTimeout = TimeSpan.FromSeconds(1);

    private readonly Process _process;
    private readonly TaskCompletionSource<Address> _ready = new(Later);
    private readonly TaskCompletionSource _outputEnded = new(Later);

    private ChildProcess(Process process, string role, TextWriter output)
    {
        _process = process;
        Ended = EndAsync();
        // Reading a child's output blocks, and the thread pool of a small machine has no thread to spare for
        // that.
        new Thread(() => ForwardOutput(role, output)) { IsBackground = true, Name = role }.Start();
    }

    /// <summary>Its process id.</summary>
    public int Id => _process.Id;

    /// <summary>Where it serves, once it is ready. Never completes if the child ends before.</summary>
    public Task<Address> Ready => _ready.Task;

    /// <summary>Its exit status, once it has ended; 128 + n for signal n.</summary>
    public Task<int> Ended { get; }

    /// <summary>Starts a role.</summary>
    /// <param name="role">The role as its ready line names it.</param>
    /// <param name="command">The executable and its arguments.</param>
    /// <param name="variables">Set in its environment, beside our own; <c>null</c>: removed from it.</param>
    /// <param name="output">Gets the lines of its standard output, without the ready line.</param>
    /// <returns><c>null</c> and the reason when the system cannot start a process now.</returns>
    public static (ChildProcess? Child, string Reason) Start(
        string role, IReadOnlyList<string> command, IReadOnlyDictionary<string, string?> variables,
        TextWriter output)
    {
        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment[StopSignal.SupervisedVariable] = StopSignal.FirstStart;
        foreach ((string name, string? value) in variables)
        {
            if (value is null) start.Environment.Remove(name);
            else start.Environment[name] = value;
        }

        try
        {
            return (new ChildProcess(Process.Start(start)!, role, output), "");
        }
        catch (Win32Exception e)
        {
            return (null, e.Message);
        }
    }

    /// <summary>Closes its standard input: the child drains and stops.</summary>
    public void Release() => _process.StandardInput.Close();

    /// <summary>Ends it at once, if it has not ended yet.</summary>
    public void Kill() => _process.Kill();

    /// <summary>Its state according to the kernel.</summary>
    public ChildState State()
    {
        try
        {
            // proc(5): pid (name) state ...; the name may hold anything, a parenthesis too.
            string stat = File.ReadAllText($"/proc/{Id}/stat");
            return stat[stat.LastIndexOf(')') + 2] switch
            {
                'T' => ChildState.Stopped,
                't' => ChildState.Traced,
                _ => ChildState.Running,
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ChildState.Running;
        }
    }

    /// <summary>Continues it after a signal stopped it.</summary>
    public void Resume()
    {
        if (!_process.HasExited) _ = SendSignal(Id, LinuxSigCont);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _process.StandardInput.Dispose();
        _process.Dispose();
    }

    private const int LinuxSigCont = 18;

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int process, int signal);

    private async Task<int> EndAsync()
    {
        await _process.WaitForExitAsync();
        await Task.WhenAny(_outputEnded.Task, Task.Delay(s_outputTimeout));
        return _process.ExitCode;
    }

    private void ForwardOutput(string role, TextWriter output)
    {
        string readyOn = role + ReadyLine.Middle;
        using StreamReader lines = _process.StandardOutput;
        while (lines.ReadLine() is { } line)
        {
            bool saysReady = !_ready.Task.IsCompleted && line.StartsWith(readyOn, StringComparison.Ordinal);
            if (saysReady && Address.TryParse(line[readyOn.Length..], out Address? at)) _ready.SetResult(at);
            else output.WriteLine(line);
        }

        _outputEnded.SetResult();
    }
}
