// The one main program: the command line, the role by verb, the exit status.

using Letterbox;

Console.WriteLine("letterbox");
return ExitStatus.Ok;
