// TLS between hosts, with certificates on both sides (RFC 8446 4.3.2): a peer without an accepted certificate
// reads and sends nothing.
//
//   the peer's certificate      it is accepted if
//   --------------------------  -----------------------------------------------------------------------------
//   the same as ours            always, whatever its dates: one pair copied to all hosts is enough
//   another one                 LETTERBOX_TLS_CA is set, its chain ends there, it is valid today, and it is
//                               issued for the host that was connected to (a store's; a client has no name)
//
// The handshake itself proves that the peer also has the private key.

using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Letterbox.Configuration;

namespace Letterbox.Hosting;

/// <summary>This process's certificate, and the certificates that it accepts. Safe on any thread.</summary>
internal sealed class MutualTls : IDisposable
{
    private const SslProtocols Versions = SslProtocols.Tls12 | SslProtocols.Tls13;

    private readonly X509Certificate2 _own;
    private readonly X509Certificate2Collection _authorities;
    private readonly SslStreamCertificateContext _context;

    private MutualTls(X509Certificate2 own, X509Certificate2Collection authorities)
    {
        (_own, _authorities) = (own, authorities);
        // Offline: building the chain must not download from a URL in a certificate.
        _context = SslStreamCertificateContext.Create(own, authorities, offline: true);
    }

    /// <summary>Reads the files of the settings; <c>null</c>: TLS is not configured.</summary>
    /// <exception cref="SettingsException">A file cannot be used.</exception>
    public static MutualTls? Load(Settings settings)
    {
        if (settings.TlsCertificate is not { } certificate || settings.TlsKey is not { } key) return null;
        var authorities = new X509Certificate2Collection();
        Use(Setting.TlsKey, key, () => _ = File.ReadAllText(key));
        X509Certificate2? own = null;
        Use(Setting.TlsCertificate, certificate, () =>
        {
            using X509Certificate2 pair = X509Certificate2.CreateFromPemFile(certificate, key);
            // Windows accepts only a loaded key.
            own = X509CertificateLoader.LoadPkcs12(pair.Export(X509ContentType.Pfx), password: null);
        });
        if (settings.TlsAuthority is { } path)
        {
            Use(Setting.TlsAuthority, path, () =>
            {
                authorities.ImportFromPemFile(path);
                if (authorities.Count == 0) throw new CryptographicException("it contains no certificate");
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

    // A self-signed certificate without expiration, and its key, both as PEM.
    public static (string Certificate, string Key) MakePair()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=letterbox", key, HashAlgorithmName.SHA256);
        // RFC 5280 4.1.2.5: the date for no expiration.
        var never = new DateTimeOffset(9999, 12, 31, 23, 59, 59, TimeSpan.Zero);
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), never);
        return (made.ExportCertificatePem() + "\n", key.ExportPkcs8PrivateKeyPem() + "\n");
    }

    // The store's side. After a failure the socket is closed.
    public Task<(Transport? Transport, string? Failure)> AcceptAsync(
        Socket socket, CancellationToken deadline) =>
        HandshakeAsync(socket, (tls, validate) => tls.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions
            {
                ServerCertificateContext = _context,
                EnabledSslProtocols = Versions,
                ClientCertificateRequired = true,
                AllowTlsResume = false,
                CertificateChainPolicy = ChainPolicy(),
                RemoteCertificateValidationCallback = validate,
            },
            deadline));

    // The client's side. In TLS 1.3 it does not show whether the store accepts our certificate: see
    // LinkConnection.
    public Task<(Transport? Transport, string? Failure)> ConnectAsync(
        Socket socket, string host, CancellationToken deadline) =>
        HandshakeAsync(socket, (tls, validate) => tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = host,
                ClientCertificateContext = _context,
                EnabledSslProtocols = Versions,
                AllowTlsResume = false,
                CertificateChainPolicy = ChainPolicy(),
                RemoteCertificateValidationCallback = validate,
            },
            deadline));

    public void Dispose() => _own.Dispose();

    private async Task<(Transport? Transport, string? Failure)> HandshakeAsync(
        Socket socket, Func<SslStream, RemoteCertificateValidationCallback, Task> authenticate)
    {
        string rejected = "";
        var tls = new SslStream(new NetworkStream(socket));
        try
        {
            await authenticate(tls, (_, peer, _, errors) => IsAccepted(peer, errors, out rejected));
            return (new TlsTransport(socket, tls), null);
        }
        catch (Exception e)
        {
            socket.Dispose();
            await tls.DisposeAsync();
            return (null, e switch
            {
                _ when rejected.Length > 0 => rejected,
                OperationCanceledException => "its TLS handshake timed out",
                SocketException or ObjectDisposedException => "its connection was lost",
                IOException or AuthenticationException => "its TLS handshake failed: does it use TLS, "
                    + "and does it accept our certificate?",
                _ => $"its TLS handshake failed: {e.Message}",
            });
        }
    }

    private bool IsAccepted(X509Certificate? peer, SslPolicyErrors errors, out string rejection)
    {
        rejection = "";
        if (peer is null) rejection = "it has no certificate";
        else if (peer.GetRawCertData().AsSpan().SequenceEqual(_own.RawData)) return true;
        else if (_authorities.Count == 0)
            rejection = "its certificate is not the same as ours, and no CA is configured";
        else if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            rejection = "its certificate is for another host name";
        else if (errors != SslPolicyErrors.None)
            rejection = "its certificate is not from the configured CA, or not valid today";
        return rejection.Length == 0;
    }

    // A certificate may name URLs to download its issuer from. An unauthenticated client must not choose what
    // this process connects to, and the download would block the thread that serves sockets.
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
