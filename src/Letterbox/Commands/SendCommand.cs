// `letterbox send`: puts one message through the socket server and prints its answer.

using System.CommandLine;
using System.Text;
using Letterbox.Configuration;
using Letterbox.Hosting;
using Letterbox.Messages;
using Letterbox.Sockets;

namespace Letterbox.Commands;

/// <summary>The verb <c>send</c>.</summary>
internal static class SendCommand
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(10);

    /// <summary>Its place on the command line.</summary>
    /// <param name="read">Reads the settings.</param>
    public static Command Create(Func<ParseResult, Settings> read)
    {
        var username = new Option<string>("--username")
        {
            Description = "Who leaves the message.",
            Required = true,
        };
        var message = new Option<string?>("--message")
        {
            Description = "The message; left out, standard input is read.",
        };
        var id = new Option<string?>("--id")
        {
            Description = "Key of the message, 24 hex digits: sending it again under its key does no harm.",
        };
        var send = new Command("send", "Leaves one message and prints \"OK id\" once it is stored.")
        {
            username, message, id,
        };
        send.SetAction((line, _) =>
        {
            return RunAsync(
                read(line), line.GetValue(id), line.GetRequiredValue(username), line.GetValue(message));
        });
        return send;
    }

    private static async Task<int> RunAsync(Settings settings, string? key, string username, string? text)
    {
        if (text is null && !TryReadInput(out text)) return Answer($"NO {text}");
        var id = MessageKey.New(TimeProvider.System);
        if (key is not null && !MessageKey.TryParse(key, out id)) return Answer("NO id is not 24 hex digits");
        if (!Message.TryCreate(id, username, text, out Message? message, out FieldError? error))
            return Answer($"NO {error.Reason}");
        using var tls = MutualTls.Load(settings);
        Receipt receipt = await StoreLink.SendOnceAsync(
            settings.Stores, message, s_timeout, tls);
        switch (receipt.Kind)
        {
            case ReceiptKind.Stored:
                Console.WriteLine($"OK {receipt.Id}");
                return ExitStatus.Ok;
            case ReceiptKind.Rejected:
                return Answer($"NO {receipt.Reason}");
            default:
                return Answer($"WAIT {receipt.Reason} (send it again with --id {message.Id})");
        }
    }

    private static int Answer(string answer)
    {
        Console.Error.WriteLine(answer);
        return ExitStatus.Failed;
    }

    // The text, or why it cannot be read. The line break at the end of a text file is not part of the
    // message.
    private static bool TryReadInput(out string text)
    {
        using Stream input = Console.OpenStandardInput();
        byte[] bytes = new byte[Message.EncodedBytesMax + 1];
        int length = input.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (length > Message.EncodedBytesMax)
        {
            text = $"message has more than {Message.EncodedBytesMax} bytes";
            return false;
        }

        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes, 0, length);
        }
        catch (DecoderFallbackException)
        {
            text = "message is not valid UTF-8";
            return false;
        }

        if (text.EndsWith('\n')) text = text[..^(text.EndsWith("\r\n", StringComparison.Ordinal) ? 2 : 1)];
        return true;
    }
}
