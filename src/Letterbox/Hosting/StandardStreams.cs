// Standard input, output and error. One that is closed, full or no longer read must not end a server.

using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Letterbox.Hosting;

internal static partial class StandardStreams
{
    private const int Input = 0, Output = 1, Error = 2;

    private const int GetDescriptorFlags = 1, CloseOnExec = 1, GetStatusFlags = 3, AccessMode = 3; // fcntl(2)
    private const int ReadOnly = 0, WriteOnly = 1;
    private const int Interrupted = 4, WouldBlock = 11, MacWouldBlock = 35, BrokenPipe = 32; // errno

    // A terminal that does not report its width.
    private const int DefaultColumns = 80;

    // The width of the terminal to which standard output goes; null: it goes elsewhere.
    public static int? Columns => Console.IsOutputRedirected ? null
        : Console.WindowWidth > 0 ? Console.WindowWidth
        : DefaultColumns;

    // Opens /dev/null for each stream that is closed, in the other direction, so that using it still fails.
    // Its number belongs to a file or pipe that the runtime opened first, and the log would be written there:
    // so the program is executed once more, under the same process id. What a program has inherited is never
    // closed by exec, what the runtime opened always is.
    public static void OpenClosed()
    {
        if (!OperatingSystem.IsLinux()) return;
        int[] closed =
        [
            .. from stream in Enumerable.Range(0, 3)
               let flags = FileControl(stream, GetDescriptorFlags)
               where flags < 0 || (flags & CloseOnExec) != 0
               select stream,
        ];
        if (closed.Length == 0) return;
        byte[] arguments = File.ReadAllBytes("/proc/self/cmdline");
        int notReadable = OpenNothing(FileAccess.Write), notWritable = OpenNothing(FileAccess.Read);
        if (closed.All(stream => Duplicate(stream == Input ? notReadable : notWritable, stream) == stream))
            Execute(arguments);
    }

    private static int OpenNothing(FileAccess access)
    {
        int nothing;
        do
        {
            // Never closed, so that the next one has a higher number.
            nothing = (int)File.OpenHandle(
                "/dev/null", FileMode.Open, access, FileShare.ReadWrite).DangerousGetHandle();
        }
        while (nothing <= Error);
        return nothing;
    }

    // At a terminal the runtime would edit lines itself, and Ctrl-D would not end the input.
    /// <exception cref="IOException">It is closed.</exception>
    public static Stream OpenInput()
    {
        if (OperatingSystem.IsWindows()) return Console.OpenStandardInput();
        if ((FileControl(Input, GetStatusFlags) & AccessMode) == WriteOnly)
            throw new IOException("standard input is closed");
        return new FileStream(new SafeFileHandle(Input, ownsHandle: false), FileAccess.Read, bufferSize: 0);
    }

    // A person types.
    public static bool IsInputTerminal => !Console.IsInputRedirected;

    /// <summary>
    /// For commands: cancels <paramref name="closed"/> when the reader has closed the pipe. The runtime would
    /// discard what is written after that, so `messages --follow | head` would not end.
    /// </summary>
    /// <exception cref="IOException">It is closed, or, on a write, the disk is full.</exception>
    public static TextWriter OpenOutput(CancellationTokenSource closed)
    {
        if (OperatingSystem.IsWindows()) return Console.Out;
        if ((FileControl(Output, GetStatusFlags) & AccessMode) == ReadOnly) throw Failed("it is closed");
        return new Writer(Output, error =>
        {
            if (error != BrokenPipe) throw Failed(Marshal.GetPInvokeErrorMessage(error));
            closed.Cancel();
        });

        static IOException Failed(string reason) => new($"cannot write to standard output: {reason}");
    }

    // For servers: what cannot be written is lost.
    public static void SetOutput()
    {
        if (!OperatingSystem.IsWindows()) Console.SetOut(new Writer(Output));
    }

    public static void SetError()
    {
        if (!OperatingSystem.IsWindows()) Console.SetError(new Writer(Error));
    }

    // The arguments end in a zero byte each.
    private static unsafe void Execute(byte[] arguments)
    {
        fixed (byte* bytes = arguments)
        {
            byte** pointers = stackalloc byte*[arguments.Count((byte)0) + 1];
            int count = 0;
            for (int at = 0; at < arguments.Length; at += arguments.AsSpan(at).IndexOf((byte)0) + 1)
                pointers[count++] = bytes + at;
            pointers[count] = null;
            _ = Execute("/proc/self/exe", pointers);
        }
    }

    // The console's writers share one lock: a full pipe at one stream would block the other. A FileStream
    // keeps its own offset, and would overwrite lines that other processes write to the same file. So:
    // write(2). A line that cannot be written is lost, and the next one is tried, unless `failed` throws.
    private sealed class Writer(int descriptor, Action<int>? failed = null) : TextWriter
    {
        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value) => Write(value.ToString());

        public override void WriteLine(string? value) => Write(value + '\n');

        public override void Write(string? value)
        {
            ReadOnlySpan<byte> rest = Encoding.GetBytes(value ?? "");
            while (!rest.IsEmpty)
            {
                nint written = WriteBytes(descriptor, rest, rest.Length);
                int error = written < 0 ? Marshal.GetLastPInvokeError() : 0;
                if (written >= 0) rest = rest[(int)written..];
                else if (failed is not null && error is WouldBlock or MacWouldBlock) Thread.Sleep(1);
                else if (error != Interrupted)
                {
                    failed?.Invoke(error);
                    return;
                }
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint WriteBytes(int descriptor, ReadOnlySpan<byte> bytes, nint count);

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int FileControl(int descriptor, int command);

    [LibraryImport("libc", EntryPoint = "dup2")]
    private static partial int Duplicate(int from, int to);

    [LibraryImport("libc", EntryPoint = "execv", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int Execute(string path, byte** arguments);
}
