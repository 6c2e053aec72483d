// Derives from a key and a text the next key and a digest of the text.
//
//    SHA-256( key, 12 bytes | length of the user name, 4 bytes, big-endian | user name | text )
//    +---------------+---------------+------------------ ... --+
//    | random bytes  | digest        | not used                |
//    | of the next   | of the text   |                         |
//    +---------------+---------------+------------------ ... --+
//    0               8               16                        32
//
// The next key is for a message whose key another message already has. It depends only on the key and the
// text: the same form sent twice, or one message in the journals of two stores, still ends as one message.
// Taking it in advance requires knowing the key and the whole text.
//
// The digest shows whether a form that is sent again under its key still has the text that the key was for.

using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Letterbox.Messages;

internal readonly record struct TextKey(MessageKey Next, string Digest)
{
    public const int DigestLength = 16;

    public bool IsDigest(ReadOnlySpan<byte> text) => Ascii.Equals(text, Digest);

    public static TextKey Of(Message message) =>
        Of(message.Id, message.UsernameUtf8, message.TextUtf8);

    public static TextKey Of(MessageKey key, string username, string text) =>
        Of(key, Encoding.UTF8.GetBytes(username), Encoding.UTF8.GetBytes(text));

    public static TextKey Of(MessageKey key, ReadOnlySpan<byte> username, ReadOnlySpan<byte> text)
    {
        Span<byte> head = stackalloc byte[MessageKey.Size + sizeof(int)];
        key.Write(head);
        BinaryPrimitives.WriteInt32BigEndian(head[MessageKey.Size..], username.Length);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData([.. head, .. username, .. text], hash);
        ulong digest = BinaryPrimitives.ReadUInt64BigEndian(hash[sizeof(ulong)..]);
        return new TextKey(
            key.WithRandom(BinaryPrimitives.ReadUInt64BigEndian(hash)),
            digest.ToString("x16", CultureInfo.InvariantCulture));
    }
}
