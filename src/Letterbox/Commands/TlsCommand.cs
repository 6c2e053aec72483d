// `letterbox tls init DIR`: makes the certificate and key for web and store processes on different hosts.

using System.CommandLine;
using Letterbox.Configuration;
using Letterbox.Hosting;

namespace Letterbox.Commands;

internal static class TlsCommand
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public static Command Create()
    {
        var folder = new Argument<string>("DIR") { Description = "Their folder; created if missing." };
        var init = new Command(
            "init", "Makes letterbox.crt and letterbox.key; copy both to every host. Never overwrites.")
        {
            folder,
        };
        init.SetAction((line, _) => Task.FromResult(Init(line.GetRequiredValue(folder))));
        return new Command("tls", "Certificates for web and store processes on different hosts.") { init };
    }

    private static int Init(string folder)
    {
        string certificate = Path.GetFullPath(Path.Combine(folder, "letterbox.crt"));
        string key = Path.GetFullPath(Path.Combine(folder, "letterbox.key"));
        Directory.CreateDirectory(folder);
        (string certificatePem, string keyPem) = MutualTls.MakePair();
        Write(key, keyPem, OwnerOnly);
        Write(certificate, certificatePem, OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        Console.WriteLine($"{Setting.TlsCertificate.Variable}={certificate}");
        Console.WriteLine($"{Setting.TlsKey.Variable}={key}");
        return ExitStatus.Ok;
    }

    private static void Write(string path, string pem, UnixFileMode mode)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = mode;
        using var file = new StreamWriter(path, options);
        file.Write(pem);
    }
}
