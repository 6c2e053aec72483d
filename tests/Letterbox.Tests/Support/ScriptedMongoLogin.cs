// Test code. The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), one login a connection.
//
//    saslStart      n,,n=<user>,r=<client nonce>            client first
//                   r=<nonce>,s=<salt>,i=<iterations>       server first; the nonce goes on from the client's
//    saslContinue   c=biws,r=<nonce>,p=<proof>              client final
//                   v=<signature of the server>             server final
//
// The proof is HMAC(StoredKey, everything said so far without the proof), exclusive-or ClientKey.

using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Letterbox.Tests.Support;

/// <summary>Who may use the scripted MongoDB; ASCII only, so that SASLprep changes nothing.</summary>
internal sealed record MongoUser(string Name, string Password);

/// <summary>The login of one connection. Without a user, everybody is in. For one thread at a time.</summary>
internal sealed class ScriptedMongoLogin(MongoUser? user)
{
    private const int AuthenticationFailed = 18;

    // The fewest that clients put up with: the tests log in often.
    private const int Iterations = 4096;

    // As many as MongoDB has.
    private const int SaltSize = 28;

    private readonly byte[] _salt = RandomNumberGenerator.GetBytes(SaltSize);
    private string _said = "";
    private string _nonce = "";

    /// <summary>Commands may be given.</summary>
    public bool Done { get; private set; } = user is null;

    /// <summary>Answers a command of the handshake.</summary>
    public MongoDoc Answer(MongoDoc command)
    {
        if (user is null) return ScriptedMongoData.Error(AuthenticationFailed, "Authentication failed.");
        string text = Payload(command);
        string? answer = command.Names.First() == "saslStart" ? Start(command, text) : Finish(text);
        if (answer is null) return ScriptedMongoData.Error(AuthenticationFailed, "Authentication failed.");
        byte[] bytes = Encoding.ASCII.GetBytes(answer);
        string hex = Convert.ToHexString([.. BitConverter.GetBytes(bytes.Length), 0, .. bytes]);
        return new MongoDoc
        {
            { "conversationId", 1 }, { "done", Done }, { "payload", new RawValue(0x05, hex) }, { "ok", 1.0 },
        };
    }

    // Binary: int32 length, a byte for the kind, the bytes.
    private static string Payload(MongoDoc command) =>
        Encoding.ASCII.GetString(Convert.FromHexString(((RawValue)command["payload"]!).Hex).AsSpan(5));

    private string? Start(MongoDoc command, string first)
    {
        bool known = first.StartsWith($"n,,n={user!.Name},r=", StringComparison.Ordinal);
        if (!known || command["mechanism"] is not "SCRAM-SHA-256") return null;
        string bare = first["n,,".Length..];
        _nonce = bare[(bare.IndexOf(",r=", StringComparison.Ordinal) + 3)..]
            + Convert.ToBase64String(RandomNumberGenerator.GetBytes(18));
        string count = Iterations.ToString(CultureInfo.InvariantCulture);
        string answer = $"r={_nonce},s={Convert.ToBase64String(_salt)},i={count}";
        _said = $"{bare},{answer}";
        return answer;
    }

    private string? Finish(string final)
    {
        string withoutProof = $"c=biws,r={_nonce}";
        bool begun = _nonce.Length > 0 && final.StartsWith($"{withoutProof},p=", StringComparison.Ordinal);
        if (!begun) return null;
        byte[] proof = Convert.FromBase64String(final[(withoutProof.Length + 3)..]);
        byte[] salted = Rfc2898DeriveBytes.Pbkdf2(
            user!.Password, _salt, Iterations, HashAlgorithmName.SHA256, SHA256.HashSizeInBytes);
        byte[] said = Encoding.ASCII.GetBytes($"{_said},{withoutProof}");
        byte[] clientKey = HMACSHA256.HashData(salted, "Client Key"u8);
        byte[] expected = HMACSHA256.HashData(SHA256.HashData(clientKey), said);
        for (int i = 0; i < expected.Length; i++) expected[i] ^= clientKey[i];
        Done = CryptographicOperations.FixedTimeEquals(expected, proof);
        byte[] serverKey = HMACSHA256.HashData(salted, "Server Key"u8);
        return Done ? $"v={Convert.ToBase64String(HMACSHA256.HashData(serverKey, said))}" : null;
    }
}
