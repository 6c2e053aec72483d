// The real executable as a process, for tests: ports of its own, a data folder of its own, its output kept,
// nothing left.
//
// What it prints and what its children print to standard error goes through pipes that every process of the
// family holds. So "the pipe is at its end" means "every one of them has ended": no test has to poll for
// that.

using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Letterbox.Configuration;
using Diagnostics = System.Diagnostics;

namespace Letterbox.Tests.Support;

/// <summary>What a process that ran to its end left: its exit status and what it wrote.</summary>
public sealed record Finished(int Status, string Output, string Error);

/// <summary>A running letterbox: the supervisor with its children, or one role alone.</summary>
internal sealed partial class LetterboxProcess : IAsyncDisposable
{
    /// <summary>The executable to test in place of the one that was built beside the tests.</summary>
    public const string ExecutableVariable = "LETTERBOX_TEST_EXECUTABLE";

    /// <summary>The executable beside the tests, compiled as it runs.</summary>
    public static readonly string Built = Path.Combine(AppContext.BaseDirectory, "letterbox");

    /// <summary>The executable that is tested: the natively compiled one if there is one.</summary>
    public static readonly string Executable =
        Environment.GetEnvironmentVariable(ExecutableVariable) is { Length: > 0 } native ? native : Built;

    /// <summary>The installation of the runtime that these tests run on.</summary>
    public static readonly string DotnetRoot =
        Path.GetFullPath("../../..", RuntimeEnvironment.GetRuntimeDirectory());

    /// <summary>Signals by number.</summary>
    public const int SigHup = 1, SigInt = 2, SigKill = 9, SigTerm = 15, SigCont = 18, SigStop = 19;

    // No assertion depends on it: it turns a hang into a failure that shows what was printed.
    private static readonly TimeSpan s_hang = TimeSpan.FromSeconds(60);

    private readonly Diagnostics.Process _process;
    private readonly bool _ownsData;

    private LetterboxProcess(Diagnostics.Process process, string data, bool ownsData)
    {
        (_process, Data, _ownsData) = (process, data, ownsData);
        Output = new LinesOf(process.StandardOutput);
        Error = new LinesOf(process.StandardError);
    }

    /// <summary>Its process id.</summary>
    public int Id => _process.Id;

    /// <summary>Its data folder; deleted at the end unless the test brought it.</summary>
    public string Data { get; }

    /// <summary>Standard output, with that of the children as the supervisor hands it on.</summary>
    public LinesOf Output { get; }

    /// <summary>Standard error: the log, the children's too.</summary>
    public LinesOf Error { get; }

    /// <summary>Where the HTTP server listens.</summary>
    public Address Http { get; private set; } = new("127.0.0.1", 0);

    /// <summary>Where the socket server listens.</summary>
    public Address Socket { get; private set; } = new("127.0.0.1", 0);

    /// <summary>
    /// Starts the supervisor, or the role that is the first argument, and waits until it is ready.
    /// </summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="variables">Environment, over ports 0 on loopback and the data folder.</param>
    /// <param name="data">
    /// A data folder to use and to leave; by default a new one, deleted at the end.
    /// </param>
    /// <param name="under">
    /// A program to run it under, with its arguments; it ends when letterbox does.
    /// </param>
    /// <param name="program">The executable, if not <see cref="Executable"/>.</param>
    public static async Task<LetterboxProcess> StartAsync(
        string[]? arguments = null, Dictionary<string, string>? variables = null, string? data = null,
        string[]? under = null, string? program = null)
    {
        LetterboxProcess letterbox = Launch(arguments ?? [], variables, data, under, program);
        try
        {
            string role = arguments is [var verb, ..] ? verb : "";
            LinesOf output = letterbox.Output;
            if (role == "web") letterbox.Http = Tail(await output.SeeAsync("^web ready on (.+)$"));
            else if (role == "store") letterbox.Socket = Tail(await output.SeeAsync("^store ready on (.+)$"));
            else
            {
                letterbox.Http = Tail(await output.SeeAsync("open at http://(.+)$"));
                letterbox.Socket = Tail(await output.SeeAsync("messages to (.+), TCP"));
            }

            return letterbox;
        }
        catch
        {
            await letterbox.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs it to its end.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="variables">As for <see cref="StartAsync"/>.</param>
    /// <param name="data">As for <see cref="StartAsync"/>.</param>
    /// <param name="input">Its standard input.</param>
    /// <param name="under">As for <see cref="StartAsync"/>.</param>
    public static async Task<Finished> RunAsync(
        string[] arguments, Dictionary<string, string>? variables = null, string? data = null,
        byte[]? input = null, string[]? under = null)
    {
        await using LetterboxProcess letterbox = Launch(arguments, variables, data, under);
        try
        {
            await letterbox._process.StandardInput.BaseStream.WriteAsync(input ?? []);
        }
        catch (IOException)
        {
            // It did not want to read all of it.
        }

        letterbox.LetLeashGo();
        int status = await letterbox.EndedAsync();
        return new Finished(status, letterbox.Output.Text, letterbox.Error.Text);
    }

    /// <summary>Writes to its standard input: with a terminal, what is typed.</summary>
    public async Task TypeAsync(string keys)
    {
        await _process.StandardInput.WriteAsync(keys);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Sends it a signal.</summary>
    public void Signal(int signal) => Signal(Id, signal);

    /// <summary>Sends any process a signal.</summary>
    public static void Signal(int process, int signal) => Assert.Equal(0, Kill(process, signal));

    /// <summary>Sends a signal to a process that may have ended. False: it has.</summary>
    public static bool TrySignal(int process, int signal) => Kill(process, signal) == 0;

    /// <summary>Closes its standard input: a supervised process is to stop then.</summary>
    public void LetLeashGo() => _process.StandardInput.Close();

    /// <summary>The process id of the child with this role.</summary>
    public int Child(string role) => Assert.Single(Children, child => Arguments(child)[^1] == role);

    /// <summary>The process id of the child with this role, if there is one at this moment.</summary>
    public int? TryChild(string role)
    {
        foreach (int child in Children)
        {
            try
            {
                if (Arguments(child)[^1] == role) return child;
            }
            catch (IOException)
            {
                // It has just ended.
            }
        }

        return null;
    }

    /// <summary>The process ids of its children.</summary>
    public int[] Children =>
    [
        .. from folder in Directory.EnumerateDirectories("/proc")
           let name = Path.GetFileName(folder)
           where name.All(char.IsAsciiDigit) && ParentOf(name) == Id
           select int.Parse(name, CultureInfo.InvariantCulture),
    ];

    /// <summary>The command line of a process.</summary>
    public static string[] Arguments(int process) =>
        File.ReadAllText($"/proc/{process}/cmdline").TrimEnd('\0').Split('\0');

    /// <summary>The environment of a process, as it was at its start.</summary>
    public static string[] Variables(int process) =>
        File.ReadAllText($"/proc/{process}/environ").TrimEnd('\0').Split('\0');

    /// <summary>Waits until it and all of its children have ended; gives its exit status.</summary>
    public async Task<int> EndedAsync()
    {
        await Output.EndAsync();
        await Error.EndAsync();
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // The children see the supervisor gone, and go; hung ones are a finding, shown by the wait that
        // fails.
        _process.Kill();
        await EndedAsync();
        _process.Dispose();
        if (_ownsData) Directory.Delete(Data, recursive: true);
        string said = $"--- output\n{Output.Text}--- error\n{Error.Text}---";
        TestContext.Current.TestOutputHelper?.WriteLine(said);
    }

    /// <summary>Starts it and waits for nothing.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="variables">As for <see cref="StartAsync"/>.</param>
    /// <param name="data">As for <see cref="StartAsync"/>.</param>
    /// <param name="under">As for <see cref="StartAsync"/>.</param>
    /// <param name="program">As for <see cref="StartAsync"/>.</param>
    public static LetterboxProcess Launch(
        string[] arguments, Dictionary<string, string>? variables = null, string? data = null,
        string[]? under = null, string? program = null)
    {
        string folder = data ?? Directory.CreateTempSubdirectory("letterbox-").FullName;
        // The tests may have been started with signals ignored, as nohup does.
        string[] command =
            ["env", "--default-signal=HUP,INT", .. under ?? [], program ?? Executable, .. arguments];
        var start = new Diagnostics.ProcessStartInfo(command[0], command[1..])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        string[] inherited = [.. start.Environment.Keys];
        foreach (string name in inherited)
        {
            if (name.StartsWith("LETTERBOX_", StringComparison.Ordinal)) start.Environment.Remove(name);
        }

        start.Environment["LETTERBOX_HTTP"] = "127.0.0.1:0";
        start.Environment["LETTERBOX_SOCKET"] = "127.0.0.1:0";
        start.Environment["LETTERBOX_DATA"] = folder;
        // The executable has to find the runtime that these tests run on, wherever it is installed.
        start.Environment["DOTNET_ROOT"] = DotnetRoot;
        foreach ((string name, string value) in variables ?? []) start.Environment[name] = value;
        return new LetterboxProcess(Diagnostics.Process.Start(start)!, folder, data is null);
    }

    private static Address Tail(Match match)
    {
        Assert.True(Address.TryParse(match.Groups[1].Value, out Address? address), match.Value);
        return address;
    }

    private static int ParentOf(string process)
    {
        try
        {
            // proc(5): pid (name) state ppid ...; the name may hold anything, a parenthesis too.
            string stat = File.ReadAllText($"/proc/{process}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);

    /// <summary>The lines of a stream, gathered by a thread of their own as they come.</summary>
    public sealed class LinesOf
    {
        private readonly List<string> _lines = [];
        private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _seen;

        internal LinesOf(StreamReader stream) =>
            new Thread(() => Gather(stream)) { IsBackground = true, Name = "lines" }.Start();

        /// <summary>Everything so far.</summary>
        public string Text
        {
            get
            {
                lock (_lines) return string.Concat(_lines.Select(line => $"{line}\n"));
            }
        }

        /// <summary>Waits for a line that matches; the next call looks at the lines after it.</summary>
        public async Task<Match> SeeAsync(string pattern)
        {
            while (true)
            {
                Task more;
                lock (_lines)
                {
                    while (_seen < _lines.Count)
                    {
                        Match match = Regex.Match(_lines[_seen++], pattern, RegexOptions.NonBacktracking);
                        if (match.Success) return match;
                    }

                    more = _more.Task;
                }

                bool ended = _end.Task.IsCompleted && more == _more.Task;
                Assert.False(ended, $"ended without \"{pattern}\":\n{Text}");
                await OrHangAsync(Task.WhenAny(more, _end.Task), pattern);
            }
        }

        /// <summary>Waits for the end: every process that could write here has ended.</summary>
        public Task EndAsync() => OrHangAsync(_end.Task, "its end");

        private void Gather(StreamReader stream)
        {
            while (stream.ReadLine() is { } line)
            {
                lock (_lines)
                {
                    _lines.Add(line);
                    _more.SetResult();
                    _more = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                }
            }

            _end.SetResult();
        }

        private async Task OrHangAsync(Task task, string what)
        {
            try
            {
                await task.WaitAsync(s_hang);
            }
            catch (TimeoutException)
            {
                Assert.Fail($"still waiting for \"{what}\" after {s_hang.TotalSeconds} s:\n{Text}");
            }
        }
    }
}
