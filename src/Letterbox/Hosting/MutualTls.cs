// TLS between hosts, with certificates on both sides (RFC 8446 4.3.2): who holds no accepted certificate
// reads and sends nothing.
//
//   the other side shows        it is accepted if
//   --------------------------  -----------------------------------------------------------------------------
//   our own certificate         always, whatever its dates: one pair copied to all hosts is enough
//   another one                 LETTERBOX_TLS_CA is set, its chain ends there, it is valid today, and it is
//                               issued for the host that was connected to (a store's; a client has no name)
//
// That the other side also holds the private key is what the handshake itself proves.

using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Letterbox.Configuration;

namespace Letterbox.Hosting;

/// <summary>This process's certificate, and whom it accepts. Safe on any thread.</summary>
public sealed class MutualTls : IDisposable
{
    private const SslProtocols Versions = SslProtocols.Tls12 | SslProtocols.Tls13;

    private readonly X509Certificate2 _own;
    private readonly X509Certificate2Collection _authorities;
    private readonly SslStreamCertificateContext _context;

    private MutualTls(X509Certificate2 own, X509Certificate2Collection authorities)
    {
        (_own, _authorities) = (own, authorities);
        // Offline: building the chain must not fetch anything from places that a certificate names.
        _context = SslStreamCertificateContext.Create(own, authorities, offline: true);
    }

    /// <summary>Reads the files of the settings; <c>null</c>: TLS is not configured.</summary>
    /// <exception cref="SettingsException">A file cannot be used; the text names its setting.</exception>
    public static MutualTls? Load(Settings settings)
    {
        if (settings.TlsCertificate is not { } certificate || settings.TlsKey is not { } key) return null;
        var authorities = new X509Certificate2Collection();
        Use(Setting.TlsKey, key, () => _ = File.ReadAllText(key));
        X509Certificate2? own = null;
        Use(Setting.TlsCertificate, certificate, () =>
        {
            using X509Certificate2 pair = X509Certificate2.CreateFromPemFile(certificate, key);
            // Windows takes only a key that was loaded.
            own = X509CertificateLoader.LoadPkcs12(pair.Export(X509ContentType.Pfx), password: null);
        });
        if (settings.TlsAuthority is { } path)
        {
            Use(Setting.TlsAuthority, path, () =>
            {
                authorities.ImportFromPemFile(path);
                if (authorities.Count == 0) throw new CryptographicException("it holds no certificate");
            });
        }

        return new MutualTls(own!, authorities);

        static void Use(Setting setting, string path, Action read)
        {
            try
            {
                read();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException
                or CryptographicException or ArgumentException)
            {
                throw new SettingsException(
                    $"{setting.Variable} is \"{path}\": it cannot be used: {e.Message}");
            }
        }
    }

    /// <summary>A self-signed certificate without an end, and its key, both as PEM.</summary>
    public static (string Certificate, string Key) MakePair()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=letterbox", key, HashAlgorithmName.SHA256);
        // RFC 5280 4.1.2.5: the date of a certificate that has no expiration.
        var never = new DateTimeOffset(9999, 12, 31, 23, 59, 59, TimeSpan.Zero);
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), never);
        return (made.ExportCertificatePem() + "\n", key.ExportPkcs8PrivateKeyPem() + "\n");
    }

    /// <summary>The store's side: the connection, or why there is none; the socket is closed then.</summary>
    internal Task<(Transport? Transport, string? Failure)> AcceptAsync(
        Socket socket, CancellationToken deadline) =>
        HandshakeAsync(socket, (tls, verdict) => tls.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions
            {
                ServerCertificateContext = _context,
                EnabledSslProtocols = Versions,
                ClientCertificateRequired = true,
                AllowTlsResume = false,
                CertificateChainPolicy = ChainPolicy(),
                RemoteCertificateValidationCallback = verdict,
            },
            deadline));

    /// <summary>
    /// The client's side. TLS 1.3 does not say whether the store accepts it: see LinkConnection.
    /// </summary>
    internal Task<(Transport? Transport, string? Failure)> ConnectAsync(
        Socket socket, string host, CancellationToken deadline) =>
        HandshakeAsync(socket, (tls, verdict) => tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = host,
                ClientCertificateContext = _context,
                EnabledSslProtocols = Versions,
                AllowTlsResume = false,
                CertificateChainPolicy = ChainPolicy(),
                RemoteCertificateValidationCallback = verdict,
            },
            deadline));

    /// <inheritdoc/>
    public void Dispose() => _own.Dispose();

    private async Task<(Transport? Transport, string? Failure)> HandshakeAsync(
        Socket socket, Func<SslStream, RemoteCertificateValidationCallback, Task> authenticate)
    {
        string? rejected = null;
        var tls = new SslStream(new NetworkStream(socket));
        try
        {
            await authenticate(tls, (_, shown, _, errors) => (rejected = WhyNot(shown, errors)) is null);
            return (new TlsTransport(socket, tls), null);
        }
        catch (Exception e)
        {
            socket.Dispose();
            await tls.DisposeAsync();
            string failure = rejected ?? e switch
            {
                OperationCanceledException => "its TLS handshake is not done in time",
                SocketException or ObjectDisposedException => "its connection broke",
                IOException or AuthenticationException => "its TLS handshake fails: does it speak TLS, "
                    + "and does it accept our certificate?",
                _ => $"its TLS handshake fails: {e.Message}",
            };
            return (null, failure);
        }
    }

    private string? WhyNot(X509Certificate? shown, SslPolicyErrors errors)
    {
        if (shown is null) return "it shows no certificate";
        if (shown.GetRawCertData().AsSpan().SequenceEqual(_own.RawData)) return null;
        if (_authorities.Count == 0)
            return "its certificate is not the same as ours, and no CA is configured";
        if (errors == SslPolicyErrors.None) return null;
        return errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)
            ? "its certificate is for another host name"
            : "its certificate is not from the CA that is configured, or not valid today";
    }

    // A certificate may name places to fetch its issuer from. A client that is not authenticated must not
    // choose what this process connects to, and waiting for it would hold up the thread that serves sockets.
    private X509ChainPolicy ChainPolicy()
    {
        var policy = new X509ChainPolicy
        {
            DisableCertificateDownloads = true,
            RevocationMode = X509RevocationMode.NoCheck,
            TrustMode = X509ChainTrustMode.CustomRootTrust,
        };
        policy.CustomTrustStore.AddRange(_authorities);
        return policy;
    }
}
