// `letterbox send`: sends one message to the socket server and prints the answer.

using System.CommandLine;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;

namespace Letterbox.Commands;

internal static class SendCommand
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(10);

    public static Command Create(Func<ParseResult, Settings> read)
    {
        Option<string?> username = CommandOption.Of<string>(
            "--username", "name", "Name of the sender; at a terminal it is asked for.");
        Option<string?> message = CommandOption.Of<string>(
            "--message", "text", "The message; if omitted, it is read from standard input.");
        Option<string?> id = CommandOption.Of<string>(
            "--id", "id", "Key of the message, 24 hex digits; sending it again under its key is safe.");
        var send = new Command("send", "Sends one message and prints \"OK id\" when it is stored.")
        {
            username, message, id,
        };
        send.SetAction((line, _) => RunAsync(
            read(line), line.GetValue(id), line.GetValue(username), line.GetValue(message)));
        return send;
    }

    private static async Task<int> RunAsync(Settings settings, string? key, string? username, string? text)
    {
        string failure;
        if (username is null)
        {
            if (!StandardStreams.IsInputTerminal)
                throw new SettingsException("--username is missing: expected the name of the sender");
            Console.Error.Write("Your name: ");
            using Stream line = StandardStreams.OpenInput();
            if (!StrictText.TryReadLine(line, Message.EncodedBytesMax, out username, out failure))
                return Reject($"NO username {failure}");
        }

        if (text is null)
        {
            if (StandardStreams.IsInputTerminal)
                Console.Error.WriteLine("Your message; end it with Ctrl-D on an empty line:");
            using Stream input = StandardStreams.OpenInput();
            if (!StrictText.TryRead(input, Message.EncodedBytesMax, out text, out failure))
                return Reject($"NO message {failure}");
        }

        var id = MessageKey.New(LocalTime.Clock);
        if (key is not null && !MessageKey.TryParse(key, out id)) return Reject("NO id is not 24 hex digits");
        if (!Message.TryCreate(id, username, text, out Message? message, out FieldError? error))
            return Reject($"NO {error.Reason}");
        using var tls = MutualTls.Load(settings);
        Receipt receipt = await StoreLink.SendOnceAsync(settings.Stores, message, s_timeout, tls);
        switch (receipt.Kind)
        {
            case ReceiptKind.Stored:
                Console.WriteLine($"OK {receipt.Id}");
                return ExitStatus.Ok;
            case ReceiptKind.Rejected:
                return Reject($"NO {receipt.Reason}");
            default:
                return Reject($"WAIT {receipt.Reason} (send it again with --id {message.Id})");
        }
    }

    private static int Reject(string answer)
    {
        Console.Error.WriteLine(answer);
        return ExitStatus.Failed;
    }
}
