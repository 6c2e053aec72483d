// One run of a role as an operating-system process.
//
//   standard input    a pipe to which the supervisor never writes; closing it stops the child: StopSignal.cs
//   standard output   the line "ROLE ready on HOST:PORT" once; everything else is passed on
//   standard error    that of the supervisor
//   settings          in the environment: other users can read a command line, but not the environment

using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Letterbox.Configuration;
using Letterbox.Hosting;

namespace Letterbox.Supervision;

// A running child. Thread-safe; dispose it when it has ended.
internal sealed partial class ChildProcess : IDisposable
{
    // Continuations do not run on the thread that reads the output.
    private const TaskCreationOptions Later = TaskCreationOptions.RunContinuationsAsynchronously;

    // A child's last output is read before its end is reported, unless another process keeps the pipe open.
    private static readonly TimeSpan s_outputTimeout = TimeSpan.FromSeconds(1);

    private readonly Process _process;
    private readonly TaskCompletionSource<Address> _ready = new(Later);
    private readonly TaskCompletionSource _outputEnded = new(Later);

    private ChildProcess(Process process, string role, TextWriter output)
    {
        _process = process;
        Ended = EndAsync();
        // Reading the output blocks, and the thread pool of a small machine has few threads.
        new Thread(() => ForwardOutput(role, output)) { IsBackground = true, Name = role }.Start();
    }

    public int Id => _process.Id;

    // Its address. Never completes if the child ends before it is ready.
    public Task<Address> Ready => _ready.Task;

    // Its exit status; 128 + n for signal n.
    public Task<int> Ended { get; }

    // `variables` are added to the inherited environment; null: removed from it. Returns the reason instead
    // of a child if the system cannot start a process now.
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

    // The child drains and stops when its standard input is closed.
    public void Stop() => _process.StandardInput.Close();

    public void Kill() => _process.Kill();

    public ChildState State()
    {
        try
        {
            // proc(5): pid (name) state ...; the name may contain anything, even a parenthesis.
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

    // Continues it after a signal has stopped it.
    public void Resume()
    {
        if (!_process.HasExited) _ = SendSignal(Id, LinuxSigCont);
    }

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
            bool isReady = !_ready.Task.IsCompleted && line.StartsWith(readyOn, StringComparison.Ordinal);
            if (isReady && Address.TryParse(line[readyOn.Length..], out Address? at)) _ready.SetResult(at);
            else output.WriteLine(line);
        }

        _outputEnded.SetResult();
    }
}
