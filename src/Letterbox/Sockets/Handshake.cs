// How two processes that share a secret find out, over a network that anyone may listen to and meddle with,
// that they speak to each other and to nobody in between. No certificate authority is needed.
//
//    client                                                     store process
//      |                                                              |  makes a key and a certificate at its
//      |                                                              |  start; the key never leaves it
//      | ──── TLS 1.3 or 1.2; whatever certificate comes is taken ──▶ |
//      |                                                              |
//      |   PROOF hex(HMAC-SHA256(secret, "letterbox client" C)) LF    |  C: SHA-256 of the certificate (DER)
//      | ───────────────────────────────────────────────────────────▶ |  that this side of the TLS connection
//      |                                                              |  sees or shows
//      |   PROOF hex(HMAC-SHA256(secret, "letterbox store" C)) LF     |
//      | ◀─────────────────────────────────────────────────────────── |  or the connection ends
//      |                                                              |
//      | ◀───────────────────── docs/PROTOCOL.md ───────────────────▶ |
//
// A man in the middle has to end TLS with a certificate of his own, as he does not have the store's key. Then
// the two sides see different certificates, and a proof made for the one says nothing about the other: he can
// neither hand it on nor make one. A proof that somebody kept is good for one certificate only, and only its
// store can end TLS with that. The two labels keep a proof from being sent back to whoever made it. Numbers
// used once are not needed for any of this: TLS makes every connection a new one.

using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Letterbox.Sockets;

/// <summary>Both sides of the handshake. Failure is a value, and the socket is closed then.</summary>
internal static class Handshake
{
    /// <summary>Who makes a proof.</summary>
    internal static ReadOnlySpan<byte> Client => "letterbox client"u8;

    /// <inheritdoc cref="Client"/>
    internal static ReadOnlySpan<byte> Store => "letterbox store"u8;

    private const SslProtocols Versions = SslProtocols.Tls12 | SslProtocols.Tls13;

    /// <summary>A fresh key with its certificate, for the life of a store process.</summary>
    public static X509Certificate2 MakeCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=letterbox", key, HashAlgorithmName.SHA256);
        // The client looks at the certificate's hash alone: dates would only add a way to fail.
        using X509Certificate2 made = request.CreateSelfSigned(
            DateTimeOffset.UnixEpoch, new DateTimeOffset(9999, 1, 1, 0, 0, 0, TimeSpan.Zero));
        // Windows takes only a key that was loaded.
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), password: null);
    }

    /// <summary>The store's side: the wire, or why there is none.</summary>
    public static Task<(Wire? Wire, string? Fault)> AcceptAsync(
        Socket socket, SslStreamCertificateContext identity, SharedSecret secret, CancellationToken deadline)
    {
        return GuardAsync(socket, ProveAsync);

        async Task<string?> ProveAsync(SslStream tls)
        {
            await tls.AuthenticateAsServerAsync(
                new SslServerAuthenticationOptions
                {
                    ServerCertificateContext = identity,
                    EnabledSslProtocols = Versions,
                    AllowTlsResume = false,
                },
                deadline);
            byte[] bound = identity.TargetCertificate.GetCertHash(HashAlgorithmName.SHA256);
            if (!await IsProvenAsync(tls, secret.Sign(Client, bound), deadline))
                return "it does not know the secret";
            await tls.WriteAsync(Line(secret.Sign(Store, bound)), deadline);
            return null;
        }
    }

    /// <summary>The client's side: the wire, or why there is none.</summary>
    public static Task<(Wire? Wire, string? Fault)> ConnectAsync(
        Socket socket, SharedSecret secret, CancellationToken deadline)
    {
        return GuardAsync(socket, ProveAsync);

        async Task<string?> ProveAsync(SslStream tls)
        {
            byte[] bound = [];
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    EnabledSslProtocols = Versions,
                    AllowTlsResume = false,
                    CertificateChainPolicy = NothingToFetch(),
                    RemoteCertificateValidationCallback = (_, shown, _, _) =>
                    {
                        // Taken for now: the proof over it decides.
                        bound = shown?.GetCertHash(HashAlgorithmName.SHA256) ?? [];
                        return shown is not null;
                    },
                },
                deadline);
            await tls.WriteAsync(Line(secret.Sign(Client, bound)), deadline);
            return await IsProvenAsync(tls, secret.Sign(Store, bound), deadline) ? null
                : "it does not know our secret, or somebody stands in between";
        }
    }

    /// <summary>A fresh identity for the life of a store process, made once: it is dear.</summary>
    public static SslStreamCertificateContext MakeIdentity() =>
        SslStreamCertificateContext.Create(MakeCertificate(), additionalCertificates: null, offline: true);

    private static async Task<(Wire? Wire, string? Fault)> GuardAsync(
        Socket socket, Func<SslStream, Task<string?>> prove)
    {
        var tls = new SslStream(new NetworkStream(socket));
        string? fault;
        try
        {
            fault = await prove(tls);
            if (fault is null) return (new TlsWire(socket, tls), null);
        }
        catch (OperationCanceledException)
        {
            fault = "its handshake is not done in time";
        }
        catch (Exception e) when (e is IOException or AuthenticationException)
        {
            fault = "its TLS handshake fails: has it a secret?";
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            fault = "its connection broke";
        }

        socket.Dispose();
        await tls.DisposeAsync();
        return (null, fault);
    }

    // A certificate may name places to fetch its issuer from. Whoever shows it is a stranger still: he is not
    // to choose whom this process talks to, and the fetching would hold up the thread that serves every
    // socket.
    private static X509ChainPolicy NothingToFetch() => new()
    {
        DisableCertificateDownloads = true,
        RevocationMode = X509RevocationMode.NoCheck,
        TrustMode = X509ChainTrustMode.CustomRootTrust,
    };

    private static byte[] Line(byte[] proof) =>
        Encoding.ASCII.GetBytes($"PROOF {Convert.ToHexStringLower(proof)}\n");

    // Reads as many bytes as a proof has, never one of what follows it.
    private static async Task<bool> IsProvenAsync(SslStream tls, byte[] proof, CancellationToken deadline)
    {
        byte[] expected = Line(proof), given = new byte[expected.Length];
        int length = await tls.ReadAtLeastAsync(given, given.Length, throwOnEndOfStream: false, deadline);
        return length == given.Length && CryptographicOperations.FixedTimeEquals(given, expected);
    }
}
