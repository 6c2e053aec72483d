// Standard input, output and error. One that is closed, full or no longer read must not end a server.

using System.Runtime.InteropServices;
using System.Text;

namespace Letterbox.Hosting;

internal static partial class StandardStreams
{
    private const int GetDescriptorFlags = 1, CloseOnExec = 1; // fcntl(2)

    // Opens /dev/null for each stream that is closed, in the wrong direction: to use it stays an error. Its
    // number belongs to a file or pipe that the runtime opened first, and the log would be written there: so
    // the program is executed once more, under the same process id. What a program has inherited is never
    // closed by exec, what the runtime opened always is.
    public static void OpenClosed()
    {
        if (!OperatingSystem.IsLinux()) return;
        int[] closed =
        [
            .. Enumerable.Range(0, 3).Where(static stream =>
                FileControl(stream, GetDescriptorFlags) is < 0 or CloseOnExec),
        ];
        if (closed.Length == 0) return;
        byte[] arguments = File.ReadAllBytes("/proc/self/cmdline");
        int write = OpenNothing(FileAccess.Write), read = OpenNothing(FileAccess.Read);
        if (closed.All(stream => Duplicate(stream == 0 ? write : read, stream) == stream)) Execute(arguments);
    }

    private static int OpenNothing(FileAccess access)
    {
        while (true)
        {
            // Never closed, so that the next one has a higher number.
            var handle = File.OpenHandle("/dev/null", FileMode.Open, access, FileShare.ReadWrite);
            if (handle.DangerousGetHandle() > 2) return (int)handle.DangerousGetHandle();
        }
    }

    // For servers: what cannot be written is lost.
    public static void SetOutput()
    {
        if (!OperatingSystem.IsWindows()) Console.SetOut(new Writer(1));
    }

    public static void SetError()
    {
        if (!OperatingSystem.IsWindows()) Console.SetError(new Writer(2));
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
    // write(2). A line that cannot be written is lost, and the next one is tried.
    private sealed class Writer(int descriptor) : TextWriter
    {
        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value) => Write(value.ToString());

        public override void WriteLine(string? value) => Write(value + '\n');

        public override void Write(string? value)
        {
            ReadOnlySpan<byte> rest = Encoding.GetBytes(value ?? "");
            for (nint written; !rest.IsEmpty; rest = rest[(int)written..])
            {
                written = WriteBytes(descriptor, rest, rest.Length);
                if (written < 0) return;
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint WriteBytes(int descriptor, ReadOnlySpan<byte> bytes, nint count);

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int FileControl(int descriptor, int command);

    [LibraryImport("libc", EntryPoint = "dup2")]
    private static partial int Duplicate(int from, int to);

    [LibraryImport("libc", EntryPoint = "execv", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int Execute(string path, byte** arguments);
}
