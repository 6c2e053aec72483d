// The web process's end of the wire: one pipelined connection to the socket server.

namespace Letterbox.Sockets;

/// <summary>Delivers messages to the socket server. Safe on any thread.</summary>
public sealed class StoreLink
{
    /// <summary>Sends one message over a connection of its own and waits for the answer; a broken link is <see cref="ReceiptKind.Later"/>.</summary>
    public static Task<Receipt> SendOnceAsync(Address store, Message message, TimeSpan patience) => throw new NotSupportedException();
}
