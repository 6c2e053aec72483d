// What web and store processes on different hosts both know, and nobody else does. It never leaves the
// process: what goes over the wire is a proof, drawn in Sockets/Handshake.cs.

using System.Security.Cryptography;
using System.Text;

namespace Letterbox;

/// <summary>A secret of at least <see cref="BytesMin"/> bytes. Immutable; never printed.</summary>
public sealed class SharedSecret
{
    /// <summary>
    /// Whoever speaks to one of us can try guesses on the proof he was given, as long as he likes: so no
    /// secret that can be guessed is taken. <c>openssl rand -base64 32</c> makes one of 44.
    /// </summary>
    public const int BytesMin = 32;

    /// <summary>What a wrong one is told.</summary>
    public const string Expected = "at least 32 bytes of text, such as `openssl rand -base64 32` makes";

    private readonly byte[] _key;

    private SharedSecret(byte[] key) => _key = key;

    /// <summary>Takes a text as secret; <c>false</c>: it is too short.</summary>
    public static bool TryCreate(string text, out SharedSecret? secret)
    {
        byte[] key = Encoding.UTF8.GetBytes(text);
        secret = key.Length >= BytesMin ? new SharedSecret(key) : null;
        return secret is not null;
    }

    /// <summary>HMAC-SHA256 of the parts, one after the other, under this secret.</summary>
    internal byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> bound) =>
        HMACSHA256.HashData(_key, (byte[])[.. label, .. bound]);
}
