// Standard input and output of the commands. Where the runtime's own streams do it differently:
//
//    closed (<&-, >&-)     the runtime has a file of its own under that number, and would use it
//    the reader is gone    the runtime discards what is written, so `messages --follow | head` would not end
//    a terminal            the runtime edits lines itself, and Ctrl-D does not end the input
//
// Writes go to write(2): a FileStream keeps its own offset, and would overwrite what other processes write to
// the same file.

using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Letterbox.Commands;

internal static partial class CommandStreams
{
    private const int Input = 0, Output = 1;
    private const int GetDescriptorFlags = 1, CloseOnExec = 1, GetStatusFlags = 3, AccessMode = 3;

    // A terminal that does not report its width.
    private const int DefaultColumns = 80;

    // The width of the terminal to which standard output goes; null: it goes elsewhere.
    public static int? Columns => Console.IsOutputRedirected ? null
        : Console.WindowWidth > 0 ? Console.WindowWidth
        : DefaultColumns;

    // A person types.
    public static bool IsInputTerminal => IsOpen(Input) && !Console.IsInputRedirected;

    /// <exception cref="IOException">It is closed.</exception>
    public static Stream OpenInput()
    {
        if (!IsOpen(Input)) throw new IOException("standard input is closed");
        return OperatingSystem.IsWindows()
            ? Console.OpenStandardInput()
            : new FileStream(new SafeFileHandle(Input, ownsHandle: false), FileAccess.Read, bufferSize: 0);
    }

    /// <summary>Cancels <paramref name="closed"/> when the reader has closed the pipe.</summary>
    /// <exception cref="IOException">It is closed, or, on a write, the disk is full.</exception>
    public static StreamWriter OpenOutput(CancellationTokenSource closed)
    {
        if (!IsOpen(Output)) throw new IOException("cannot write to standard output: it is closed");
        return new StreamWriter(
            OperatingSystem.IsWindows() ? Console.OpenStandardOutput() : new OutputStream(closed),
            bufferSize: 64 * 1024);
    }

    // Everything that this process opens is closed in the programs that it starts, and what was passed to it
    // is not. What stands in for a closed stream has the other direction.
    private static bool IsOpen(int descriptor)
    {
        if (OperatingSystem.IsWindows()) return true;
        int flags = Control(descriptor, GetDescriptorFlags);
        const int readOnly = 0, writeOnly = 1;
        int wrong = descriptor == Input ? writeOnly : readOnly;
        return flags >= 0 && (flags & CloseOnExec) == 0
            && (Control(descriptor, GetStatusFlags) & AccessMode) != wrong;
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command);

    private sealed partial class OutputStream(CancellationTokenSource closed) : Stream
    {
        private const int Interrupted = 4, WouldBlock = 11, MacWouldBlock = 35, BrokenPipe = 32;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            while (!buffer.IsEmpty && !closed.IsCancellationRequested)
            {
                nint written = Write(Output, buffer, buffer.Length);
                if (written >= 0)
                {
                    buffer = buffer[(int)written..];
                    continue;
                }

                int error = Marshal.GetLastPInvokeError();
                if (error == BrokenPipe) closed.Cancel();
                // Standard output may be a pipe that another process has made non-blocking.
                else if (error is WouldBlock or MacWouldBlock) Thread.Sleep(1);
                else if (error != Interrupted)
                {
                    string reason = Marshal.GetPInvokeErrorMessage(error);
                    throw new IOException($"cannot write to standard output: {reason}");
                }
            }
        }

        public override void Write(byte[] buffer, int offset, int count) =>
            Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
            // Nothing is buffered here.
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
        private static partial nint Write(int descriptor, ReadOnlySpan<byte> bytes, nint count);
    }
}
