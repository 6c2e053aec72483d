// A real terminal for the executable: a pseudoterminal of the kernel, made by Python.

namespace Letterbox.Tests.Support;

internal static class Terminal
{
    // The program reads what is written to this process, writes what its terminal shows, and keeps its size.
    // Lines end as they do in a pipe, and typed keys are not shown.
    private const string Script = """
        import fcntl, os, pty, select, struct, sys, termios
        child, terminal = pty.fork()
        if child == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, int(sys.argv[1]), 0, 0))
            mode = termios.tcgetattr(0)
            mode[1] &= ~termios.ONLCR
            mode[3] &= ~termios.ECHO
            termios.tcsetattr(0, termios.TCSANOW, mode)
            os.environ['TERM'] = 'xterm'
            os.execvp(sys.argv[2], sys.argv[2:])
        ends = [0, terminal]
        while True:
            for end in select.select(ends, [], [])[0]:
                try:
                    data = os.read(end, 65536)
                except OSError:
                    data = b''
                if not data and end == 0:
                    ends.remove(0)
                elif not data:
                    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                    os._exit(status if status >= 0 else 128 - status)
                else:
                    os.write(1 if end == terminal else terminal, data)
        """;

    /// <summary>The command that gives the one after it a terminal of so many columns.</summary>
    public static string[] Columns(int columns) => ["python3", "-c", Script, $"{columns}"];
}
